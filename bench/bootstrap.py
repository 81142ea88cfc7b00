"""How sure a difference between two word error rates is: a paired bootstrap over utterances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.scoring import Errors

RESAMPLES: Final = 10_000
COVERAGE_PERCENT: Final = 95.0


@dataclass(frozen=True, slots=True)
class Difference:
    """Word error rate of one system less that of another, in percentage points."""

    points: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    utterances: int
    """What was resampled; few of them make the interval too narrow to be trusted."""
    resamples: int = RESAMPLES


def paired_difference(ours: Sequence[Errors], baseline: Sequence[Errors]) -> Difference:
    """The difference ``ours - baseline`` over the same utterances in the same order.

    Utterances are drawn with replacement, both systems' errors together, with a fixed seed.
    Raises ``ValueError`` unless both have the same reference words, at least one.
    """
    words = np.array([errors.words for errors in baseline])
    if [errors.words for errors in ours] != words.tolist() or words.sum() == 0:
        raise ValueError("the two systems must be scored on the same utterances, with words")
    extra = np.array([a.total - b.total for a, b in zip(ours, baseline, strict=True)])
    draws = np.random.default_rng(0).integers(len(words), size=(RESAMPLES, len(words)))
    drawn_words = words[draws].sum(axis=1)
    drawn_extra = extra[draws].sum(axis=1)[drawn_words > 0]
    points = 100 * drawn_extra / drawn_words[drawn_words > 0]
    tail = (100 - COVERAGE_PERCENT) / 2
    low, high = np.percentile(points, [tail, 100 - tail])
    return Difference(
        points=100 * float(extra.sum()) / float(words.sum()),
        low=float(low),
        high=float(high),
        utterances=len(words),
    )
