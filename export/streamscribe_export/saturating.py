"""Products of normalised numbers, whose range is known before they are, in bytes that saturate.

All channels share one step, which nothing in the call changes. The normalisation's shift moves each
channel's range to where its bytes are. A channel that is louder than the others, so that one byte
does not hold it, has several. Each stands for its own part of the range, and saturates beyond it::

    level   -128 ... 127 ... 382 ... 637
    bytes   |  first  | second  |  third  |

The sum of a channel's bytes is its level and a constant, and the rows of the weights are written
once for each byte. So a product is one sum of whole numbers, which is exact, no row knows of any
other, and a few loud channels coarsen none of the rest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

ROOM: Final = 1.75
"""How wide a channel may go before it saturates, in widths of its known range."""
SHARE: Final = 9
"""There are so many channels for one byte more."""
_SPAN: Final = 255
_LEAST: Final = 128
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
    shift: Array
    """What is added to each channel before, (channels,)."""
    channels: npt.NDArray[np.int64]
    """Channel of each byte behind the first ones."""
    parts: npt.NDArray[np.int64]
    """Which part of its channel's range each of them stands for: 1 is the second."""

    @property
    def centres(self) -> Array:
        """Middle of the range of each byte behind the first ones."""
        return (self.parts * (_SPAN * self.step)).astype(np.float32)

    def rows(self, weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        """``weights`` (channels, out) with a row for each byte."""
        return np.concatenate([weights, weights[self.channels]])

    def lacking(self, weights: Array) -> Array:
        """What the product with ``rows(weights)`` lacks, (out,)."""
        more = -self.shift.astype(np.float64)
        np.add.at(more, self.channels, _LEAST * self.step)
        return np.asarray(more @ weights, dtype=np.float32)


def plan(known: Range) -> Bytes:
    """The finest step that needs one byte more for ``SHARE`` channels, at most."""
    middle = (known.high + known.low).astype(np.float64) / 2
    span = (known.high - known.low).astype(np.float64) * ROOM
    fine, coarse = 0.0, max(float(span.max()), 1e-9) / _SPAN
    for _ in range(_HALVINGS):
        step = (fine + coarse) / 2
        enough = (_counts(span, step) - 1).sum() <= len(span) // SHARE
        fine, coarse = (fine, step) if enough else (step, coarse)
    counts = _counts(span, coarse)
    # The first byte's least level is where the range, with its share of what is to spare, begins.
    shift = (counts * _SPAN / 2 - _LEAST) * coarse - middle
    channels = np.repeat(np.arange(len(span)), counts - 1)
    parts = [part for count in counts for part in range(1, count)]
    return Bytes(coarse, shift.astype(np.float32), channels, np.array(parts, dtype=np.int64))


def _counts(span: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.int64]:
    """Bytes that each channel needs."""
    return np.maximum(np.ceil(span / (_SPAN * step)), 1).astype(np.int64)
