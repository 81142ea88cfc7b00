"""The decoder's attention, drawn so that its answers are the same bit for bit in any company."""

from typing import Final

import numpy as np

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.drawing import Drawing, Name
from streamscribe_export.moonshine.weights import Weights

_SUMS: Final = 16
"""Columns of ones: a single one would be multiplied in another way."""


def by_head(drawing: Drawing, weights: Weights, value: Name) -> Name:
    """(batch, n, width) to (batch, heads, n, head_dim)."""
    shape = drawing.integers(0, 0, weights.heads, weights.head_dim)
    return drawing.op("Transpose", [drawing.op("Reshape", [value, shape])], perm=[0, 2, 1, 3])


def attended(
    drawing: Drawing, weights: Weights, queries: Name, heard: list[Name], bias: Name
) -> Name:
    """What ``queries`` find in ``heard``: keys, values and ones; ``bias`` has one row more.

    Bit for bit the same, whatever fills a row up and however many are asked at once, since the next
    product's bytes would make a step of any difference. So the softmax is drawn out: its sum is a
    product with ones, which adds one after the other, where the operation for it adds in an order
    that hangs on how long the row is. And there are always two queries at least, because a single
    one is multiplied in another way.
    """
    keys, values, ones = heard
    asked = and_one(drawing, by_head(drawing, weights, queries))
    scores = drawing.op(
        "FusedMatMul", [asked, keys],
        domain=CONTRIBUTED, transB=1, alpha=weights.head_dim**-0.5,
    )  # fmt: skip
    seen = drawing.op("Add", [scores, bias])
    highest = drawing.op("ReduceMax", [seen], axes=[-1], keepdims=1)
    weighed = drawing.op("Exp", [drawing.op("Sub", [seen, highest])])
    whole = _first(drawing, drawing.op("MatMul", [weighed, ones]), 3)
    shared = drawing.op("Div", [drawing.op("MatMul", [weighed, values]), whole])
    places = [drawing.integers(number) for number in (0, -1, 2)]
    found = drawing.op("Transpose", [drawing.op("Slice", [shared, *places])], perm=[0, 2, 1, 3])
    return drawing.op("Reshape", [found, drawing.integers(0, 0, weights.width)])


def ones(drawing: Drawing, bias: Name) -> Name:
    """A matrix of ones, whose product with weights as wide as ``bias`` is their sum."""
    width = drawing.op("Shape", [bias], start=3, end=4)
    shape = drawing.op("Concat", [width, drawing.integers(_SUMS)], axis=0)
    return drawing.op("Expand", [drawing.constant(np.ones(1, dtype=np.float32)), shape])


def _first(drawing: Drawing, value: Name, axis: int) -> Name:
    return drawing.op("Slice", [value, *(drawing.integers(number) for number in (0, 1, axis))])


def and_one(drawing: Drawing, value: Name) -> Name:
    """(batch, ..., n, ...) with its first row once more behind the last."""
    return drawing.op("Concat", [value, _first(drawing, value, 2)], axis=2)
