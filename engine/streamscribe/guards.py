"""Guards against what sequence models invent: they remove uncommitted text, and add none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from streamscribe.timeline import SAMPLE_RATE

SHORTEST_CAP: Final = 6
"""Tokens that any audio may have, however short: a word or two with punctuation."""

LOOP_PERIOD_MAX: Final = 12
"""Longest phrase, in tokens, whose repetition is looked for."""

LOOP_TOKENS_MIN: Final = 16
"""A loop is believed only when it is at least this long; people do say things four times."""

LOOP_REPEATS_MIN: Final = 4

REWIND_LEN: Final = SAMPLE_RATE // 2
"""A token that rests on audio so far before that of an earlier token says the audio again. Models
that were trained on padded audio do that where there is little silence after the words."""

VOICED_SHARE: Final = 1.15
VOICED_TOKENS_BASE: Final = 4
"""More tokens than this many times the cap have not been spoken in so little voice: in 341 segments
of real speech the most was 4 and 6.2 a second, where the cap is 6.5."""

NOT_SPEECH: Final = ("\u266a", "\u266b", "\u00a9")
"""Notes, and the sign that opens a subtitler's credits: what these models write for music."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """When a text is not believed; the defaults are those of Moonshine's models."""

    mean_log_prob: float = -0.95
    """Text that the model itself finds less likely than this, per token, is not shown."""
    first_log_prob: float = -1.6
    mean_log_prob_then: float = -0.4
    """Nor is text that begins with a token as unlikely as the first and goes on as the second."""
    max_tokens_per_s: float = 6.5
    """Nor text of more tokens than can have been spoken."""

    def believes(self, log_probs: Sequence[float], *, begins: bool) -> bool:
        """Whether the model believes its own text; true of no text at all.

        ``begins``: the text is the first of its segment.
        """
        if not log_probs:
            return True
        mean = sum(log_probs) / len(log_probs)
        if begins and log_probs[0] < self.first_log_prob and mean < self.mean_log_prob_then:
            return False
        return mean >= self.mean_log_prob


def token_cap(audio_len: int, max_per_s: float) -> int:
    """Most tokens that speech of ``audio_len`` samples can have."""
    return max(SHORTEST_CAP, math.ceil(audio_len / SAMPLE_RATE * max_per_s))


def loop_start(tokens: Sequence[int]) -> int:
    """Where the tail of ``tokens`` begins to say the same thing again; its length if it doesn't.

    The first saying is not counted: what lies before the returned index is kept.
    """
    length = len(tokens)
    for period in range(1, LOOP_PERIOD_MAX + 1):
        run = 0
        while (
            run + period < length and tokens[length - 1 - run] == tokens[length - 1 - run - period]
        ):
            run += 1
        looped_len = run + period
        if run and looped_len >= max(LOOP_TOKENS_MIN, LOOP_REPEATS_MIN * period):
            return length - run
    return length


def rewind_start(attended: Sequence[int], known: int = 0) -> int:
    """Index of the first token from which on the audio is said again; the length if there is none.

    A token alone proves nothing, neither that the text has come so far nor that it goes back: the
    next one must bear it out.

    attended: what place in the audio each token rests on.   known: how many are not in question.
    """
    furthest = 0
    for index, (place, following) in enumerate(pairwise((*attended, *attended[-1:]))):
        if index >= known and max(place, following) < furthest - REWIND_LEN:
            return index
        furthest = max(furthest, min(place, following))
    return len(attended)


def speakable(tokens: int, voiced_len: int, max_per_s: float) -> bool:
    """Whether so many tokens can have been said in ``voiced_len`` samples of voice."""
    most = VOICED_TOKENS_BASE + VOICED_SHARE * max_per_s * voiced_len / SAMPLE_RATE
    return tokens <= most


def is_speech(text: str) -> bool:
    """Whether ``text`` holds none of the signs that stand for something else than words."""
    return not any(sign in text for sign in NOT_SPEECH)
