"""Whether something grows: a straight line through a series, and how sure its slope is.

Neighbouring values of a series are much alike, so counting each as a fact of its own would make
any slope look certain. The series is cut into blocks; each block's median counts once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, linear_regression, median
from typing import Final

from bench.outcome import Figures

BLOCKS: Final = 20
_WARM_UP: Final = 0.25
"""Share of the series that comes before everything was used once."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope with its 95 % interval, in the units that were given."""

    slope: float
    low: float
    high: float
    length: float
    """Of the fitted part, along x."""
    middle: float
    """Median of the fitted part."""
    along: tuple[float, ...]
    """Medians of its blocks, in order."""

    def figures(self) -> Figures:
        """The slope, and what it makes over the whole fitted part in percent of its middle.

        ``surely_grew_percent``: 0 unless all of the interval is above 0.
        """
        share = 100 * self.length / self.middle if self.middle else math.nan
        return {
            "slope": self.slope,
            "low": self.low,
            "high": self.high,
            "middle": self.middle,
            "along": list(self.along),
            "grew_percent": self.slope * share,
            "surely_grew_percent": max(0.0, self.low * share),
        }


def fit_trend(xs: Sequence[float], ys: Sequence[float]) -> Trend | None:
    """The line through (x, y) after the warm-up; None where there are too few blocks for it."""
    first = round(len(xs) * _WARM_UP)
    xs, ys = xs[first:], ys[first:]
    blocks = min(BLOCKS, len(xs))
    if blocks < 5:
        return None
    edges = [len(xs) * block // blocks for block in range(blocks + 1)]
    spans = list(zip(edges, edges[1:], strict=False))
    at = [median(xs[begin:end]) for begin, end in spans]
    values = [median(ys[begin:end]) for begin, end in spans]
    slope, intercept = linear_regression(at, values)
    left = sum((y - intercept - slope * x) ** 2 for x, y in zip(at, values, strict=True))
    middle_at = sum(at) / blocks
    spread = sum((x - middle_at) ** 2 for x in at)
    margin = _student_t(blocks - 2) * math.sqrt(left / (blocks - 2) / spread)
    return Trend(slope, slope - margin, slope + margin, xs[-1] - xs[0], median(ys), tuple(values))


def _student_t(freedom: int) -> float:
    """97.5 % quantile of Student's t; the expansion of Abramowitz and Stegun, 26.7.5."""
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
