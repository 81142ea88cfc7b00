"""Products of numbers whose range is known before they are, in bytes that saturate.

All channels share one step, which nothing in the call changes. A channel that is louder than the
others, so that one byte does not hold it, has several. Each byte stands for its own part of the
channel's range, and saturates beyond it::

    level   -383 ... -128 ... 0 ... 127 ... 382
    bytes   |  below  |    first    |  above  |

The sum of a channel's bytes is its level and a constant, and the rows of the weights are written
once for each byte. So a product is one sum of whole numbers, which is exact, no row knows of any
other, and a few loud channels coarsen none of the rest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

ROOM: Final = 1.5
"""How far beyond its known range a channel may go before it saturates, as a factor."""
EXTRA: Final = 4.5
"""One byte more is allowed for so many channels."""
_SPAN: Final = 255
_TOP: Final = 127
_HALVINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Range:
    """Least and largest value of each channel, (channels,)."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Bytes:
    """How the channels of one tensor are written."""

    step: float
    channels: npt.NDArray[np.int64]
    """Channel of each byte behind the first ones."""
    parts: npt.NDArray[np.int64]
    """Which part of its channel's range each of them stands for: above 0, 1 is the next."""

    @property
    def centres(self) -> Array:
        """Middle of the range of each byte behind the first ones."""
        return (self.parts * (_SPAN * self.step)).astype(np.float32)

    def rows(self, weights: Array) -> Array:
        """``weights`` (channels, out) with a row for each byte."""
        return np.concatenate([weights, weights[self.channels]])

    def surplus(self, weights: Array) -> Array:
        """What the product with ``rows(weights)`` lacks, (out,)."""
        rest = np.where(self.parts > 0, _TOP + 1, -_TOP) * self.step
        return np.asarray(rest @ weights[self.channels].astype(np.float64), dtype=np.float32)


def plan(known: Range) -> Bytes:
    """The finest step that needs no more than ``1 / EXTRA`` bytes more than there are channels."""
    low, high = known.low * ROOM, known.high * ROOM
    allowed = int(len(low) / EXTRA)
    fine, coarse = 0.0, max(float(high.max()), float(-low.min()), 1e-9) / _TOP
    for _ in range(_HALVINGS):
        step = (fine + coarse) / 2
        above, below = _counts(low, high, step)
        fine, coarse = (fine, step) if (above + below).sum() <= allowed else (step, coarse)
    above, below = _counts(low, high, coarse)
    pairs = [
        (channel, sign * part)
        for sign, counts in ((1, above), (-1, below))
        for channel, count in enumerate(counts)
        for part in range(1, count + 1)
    ]
    channels, parts = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Bytes(coarse, channels, parts)


def _counts(
    low: Array, high: Array, step: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bytes above and below the first that each channel needs."""
    above = np.ceil((high / step - _TOP) / _SPAN)
    below = np.ceil((-low / step - _TOP - 1) / _SPAN)
    return np.maximum(above, 0).astype(np.int64), np.maximum(below, 0).astype(np.int64)
