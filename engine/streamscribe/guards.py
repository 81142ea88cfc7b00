"""Guards against what sequence models invent: they remove uncommitted text, and add none."""

import math
from collections.abc import Sequence
from typing import Final

from streamscribe.timeline import SAMPLE_RATE

SHORTEST_CAP: Final = 6
"""Tokens that any audio may have, however short: a word or two with punctuation."""

LOOP_PERIOD_MAX: Final = 12
"""Longest phrase, in tokens, whose repetition is looked for."""

LOOP_TOKENS_MIN: Final = 16
"""A loop is believed only when it is at least this long; people do say things four times."""

LOOP_REPEATS_MIN: Final = 4

MEAN_LOG_PROB_MIN: Final = -0.95
"""Text that the model itself finds less likely than this, per token, is not shown."""

FIRST_LOG_PROB_MIN: Final = -1.6
DOUBTFUL_LOG_PROB: Final = -0.4
"""Nor is text that begins with a token as unlikely as the first and goes on as the second."""

VOICED_SHARE: Final = 1.15
VOICED_TOKENS_BASE: Final = 4
"""More tokens than this many times the cap have not been spoken in so little voice: in 341 segments
of real speech the most was 4 and 6.2 a second, where the cap is 6.5."""

NOT_SPEECH: Final = ("\u266a", "\u266b", "\u00a9")
"""Notes, and the sign that opens a subtitler's credits: what these models write for music."""


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


def likely(log_probs: Sequence[float], *, begins: bool) -> bool:
    """Whether the model believes its own text; true of no text at all.

    ``begins``: the text is the first of its segment.
    """
    if not log_probs:
        return True
    mean = sum(log_probs) / len(log_probs)
    if begins and log_probs[0] < FIRST_LOG_PROB_MIN and mean < DOUBTFUL_LOG_PROB:
        return False
    return mean >= MEAN_LOG_PROB_MIN


def speakable(tokens: int, voiced_len: int, max_per_s: float) -> bool:
    """Whether so many tokens can have been said in ``voiced_len`` samples of voice."""
    most = VOICED_TOKENS_BASE + VOICED_SHARE * max_per_s * voiced_len / SAMPLE_RATE
    return tokens <= most


def is_speech(text: str) -> bool:
    """Whether ``text`` holds none of the signs that stand for something else than words."""
    return not any(sign in text for sign in NOT_SPEECH)
