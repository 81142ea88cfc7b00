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

MEAN_LOG_PROB_MIN: Final = -1.0
"""Text that the model itself finds less likely than this, per token, is not shown."""


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


def likely(log_probs: Sequence[float]) -> bool:
    """Whether the model believes its own text; true of no text at all."""
    return not log_probs or sum(log_probs) / len(log_probs) >= MEAN_LOG_PROB_MIN
