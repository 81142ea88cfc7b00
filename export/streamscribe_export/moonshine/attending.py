"""The decoder's attention, drawn so that its answers are the same bit for bit in any company."""

from dataclasses import dataclass

import numpy as np

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.drawing import Drawing, Name
from streamscribe_export.moonshine.weights import Weights


@dataclass(frozen=True, slots=True)
class Seen:
    """What one kind of attention looks at, the same in all layers."""

    bias: Name
    """Added to the scores, a row more than there are tokens."""
    ones: Name
    rows: Name
    """See :func:`and_first`."""


def by_head(drawing: Drawing, weights: Weights, value: Name, parts: int = 1) -> Name:
    """(batch, n, parts * width) to (batch, parts * heads, n, head_dim)."""
    shape = drawing.integers(0, 0, parts * weights.heads, weights.head_dim)
    return drawing.op("Transpose", [drawing.op("Reshape", [value, shape])], perm=[0, 2, 1, 3])


def turned(drawing: Drawing, weights: Weights, value: Name, place: list[Name], heads: int) -> Name:
    """Queries or keys of ``heads`` heads, turned by where they stand.

    place: positions, and cosines and sines by position.
    """
    return drawing.op(
        "RotaryEmbedding", [value, *place], domain=CONTRIBUTED, interleaved=1,
        num_heads=heads, rotary_embedding_dim=2 * len(weights.frequencies),
    )  # fmt: skip


def attended(
    drawing: Drawing, weights: Weights, queries: Name, heard: list[Name], seen: Seen
) -> Name:
    """What ``queries`` (batch, heads, n, head_dim) find in ``heard``: keys and values.

    Bit for bit the same, whatever fills a row up and however many are asked at once, since the next
    product's bytes would make a step of any difference. So the softmax is drawn out: its sum is a
    product with ones, which adds one after the other, where the operation for it adds in an order
    that hangs on how long the row is. And there are always two queries at least, because a single
    one is multiplied in another way.
    """
    keys, values = heard
    asked = drawing.op("Gather", [queries, seen.rows], axis=2)
    scores = drawing.op(
        "FusedMatMul", [asked, keys],
        domain=CONTRIBUTED, transB=1, alpha=weights.head_dim**-0.5,
    )  # fmt: skip
    scores = drawing.op("Add", [scores, seen.bias])
    highest = drawing.op("ReduceMax", [scores], axes=[-1], keepdims=1)
    weighed = drawing.op("Exp", [drawing.op("Sub", [scores, highest])])
    parts, whole = (drawing.op("MatMul", [weighed, one]) for one in (values, seen.ones))
    found = drawing.op("Transpose", [drawing.op("Div", [parts, whole])], perm=[0, 2, 1, 3])
    places = [drawing.integers(number) for number in (0, -1, 1)]
    joined = drawing.op("Reshape", [found, drawing.integers(0, 0, weights.width)])
    return drawing.op("Slice", [joined, *places])


def ones(drawing: Drawing, weights: Weights, bias: Name) -> Name:
    """Ones in the shape of values, whose product with weights as wide as ``bias`` is their sum."""
    width = drawing.op("Shape", [bias], start=3, end=4)
    shape = drawing.op("Concat", [width, drawing.integers(weights.head_dim)], axis=0)
    return drawing.op("Expand", [drawing.constant(np.ones(1, dtype=np.float32)), shape])


def and_first(drawing: Drawing, tokens: Name) -> Name:
    """Which queries are asked: all of ``tokens`` (batch, n), and the first once more."""
    shape = drawing.op("Shape", [tokens], start=1, end=2)
    count = drawing.op("Squeeze", [shape, drawing.integers(0)])
    zero, one = (drawing.constant(np.array(value, dtype=np.int64)) for value in (0, 1))
    each = drawing.op("Range", [zero, count, one])
    return drawing.op("Concat", [each, drawing.integers(0)], axis=0)
