"""Drawing Moonshine's first two convolutions, which hear each sample once: see ``graphs.py``."""

from typing import Any, Final

import numpy as np

from streamscribe_export.drawing import Drawing, Name
from streamscribe_export.moonshine.weights import Tensor, Weights

OnnxModel = Any

STRIDES: Final = (64, 3, 2)
"""Of the three convolutions, each in frames of the one before."""
KERNELS: Final = (127, 7, 3)
BLOCK: Final = 40
"""Frames of the second convolution that one call of ``front`` gives: 480 ms."""
END: Final = 2**62
"""Beyond the end of any axis."""


def draw_front(weights: Weights) -> OnnxModel:
    """The first two convolutions of a block."""
    drawing = Drawing()
    hop, thirds, _ = STRIDES
    frames = thirds * BLOCK + KERNELS[1] - thirds
    samples = drawing.input("samples", [1, hop * (frames + 1)])
    hops = drawing.op("Reshape", [samples, drawing.integers(frames + 1, hop)])
    beside = drawing.op(
        "Concat", [_rows(drawing, hops, 0, -1), _rows(drawing, hops, 1, END)], axis=1
    )
    kernel = np.zeros((weights.width, 2 * hop), dtype=np.float32)
    kernel[:, : KERNELS[0]] = weights["encoder.conv1.weight"][:, 0]
    heard = drawing.op("Tanh", [drawing.product(beside, kernel)])
    squares = drawing.op("Mul", [heard, heard])
    moments = [drawing.op("ReduceMean", [one], axes=[1], keepdims=1) for one in (heard, squares)]
    drawing.output(drawing.op("Concat", moments, axis=1), "moments", [frames, 2])
    groups = drawing.op(
        "Reshape",
        [_rows(drawing, heard, 0, thirds * (BLOCK + 1)), drawing.integers(BLOCK + 1, -1)],
    )
    last = _rows(drawing, heard, KERNELS[1] - 1, END, thirds)
    parts = [_rows(drawing, groups, 0, -1), _rows(drawing, groups, 1, END), last]
    scaled = weights["encoder.conv2.weight"] * weights["encoder.groupnorm.weight"][:, np.newaxis]
    convolved = drawing.product(drawing.op("Concat", parts, axis=1), side_by_side(scaled))
    drawing.output(convolved, "convolved", [BLOCK, 2 * weights.width])
    return drawing.model()


def _rows(drawing: Drawing, value: Name, first: int, end: int, step: int = 1) -> Name:
    """Some rows of a matrix."""
    places = [drawing.integers(number) for number in (first, end, 0, step)]
    return drawing.op("Slice", [value, *places])


def side_by_side(kernel: Tensor) -> Tensor:
    """A kernel (out, in, frames) for frames whose channels lie side by side."""
    return np.ascontiguousarray(kernel.transpose(0, 2, 1)).reshape(len(kernel), -1)
