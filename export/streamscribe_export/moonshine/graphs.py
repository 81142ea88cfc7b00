"""Moonshine's three graphs, drawn from its weights.

::

    front     samples (1, 64 * (3 * BLOCK + 5))
              -> convolved (BLOCK, 2 * width), moments (3 * BLOCK + 4, 2)
    encoder   convolved (batch, c, 2 * width), moments (batch, 1, 2)
              -> cross_key_L, cross_value_L (batch, heads, frames, head_dim)    per decoder layer
    decoder   tokens, positions (batch, n); self_bias (batch, 1, n, past + n),
              cross_bias (batch, 1, n, frames); past_key_L, past_value_L
              (batch, heads, past, head_dim); cross_key_L, cross_value_L
              -> logits (batch, n, vocabulary); key_L, value_L (batch, heads, past + n, head_dim)

The vendor's front-end normalises over the whole window between its first convolution and its
second. Scale and shift of that go through the second convolution unchanged, so here they are
applied behind it::

    conv2(g * (x - mean) / deviation + b) = (conv2(g * x) - mean * conv2(g)) / deviation + conv2(b)

So what ``front`` gives depends on nothing but the samples below it. It is kept from hop to hop,
and the encoder's graph is given the window's ``convolved`` and, for the mean and the deviation, the
mean of ``moments``: of each frame of the first convolution the mean over channels, and that of
squares.
``front`` always takes the same number of samples, because sums round differently at other sizes.

Convolutions are drawn as products of the frames that lie side by side.
"""

from typing import Any, Final

import numpy as np

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.drawing import Dimension, Drawing, Name
from streamscribe_export.moonshine.attending import (
    Seen,
    and_first,
    attended,
    by_head,
    ones,
    turned,
)
from streamscribe_export.moonshine.front import END, STRIDES, side_by_side
from streamscribe_export.moonshine.weights import Weights

OnnxModel = Any

POSITIONS: Final = 1_024
"""Most tokens of a sequence: many times what 30 s of speech hold."""
_EPSILON: Final = 1e-5
_FLOAT: Final = 1
"""The type, as ONNX numbers it."""


def draw_encoder(weights: Weights) -> OnnxModel:
    """The encoder from the second convolution on, and what the decoder asks of the audio."""
    drawing = Drawing()
    stream = _Stream(drawing, weights, _draw_frames(drawing, weights))
    length = drawing.op("Shape", [stream.sum], start=1, end=2)
    frames = drawing.op("Squeeze", [length, drawing.integers(0)])
    zero, one = (drawing.constant(np.array(value, dtype=np.int64)) for value in (0, 1))
    places = drawing.op("Cast", [drawing.op("Range", [zero, frames, one])], to=_FLOAT)
    column = drawing.op("Unsqueeze", [places, drawing.integers(1)])
    angles = drawing.op("Mul", [column, drawing.constant(weights.frequencies[np.newaxis])])
    turns = [drawing.op(kind, [angles]) for kind in ("Cos", "Sin")]
    positions = drawing.integers(0)  # of the first frame
    for layer in range(weights.layers("encoder")):
        name = f"encoder.layers.{layer}"
        normed = stream.normed(f"{name}.input_layernorm")
        queries, keys, values = (
            drawing.product(normed, weights[f"{name}.self_attn.{part}.weight"]) for part in "qkv"
        )
        queries, keys = (
            turned(drawing, weights, one, [positions, *turns], weights.heads)
            for one in (queries, keys)
        )
        answer = drawing.op(
            "MultiHeadAttention", [queries, keys, values],
            domain=CONTRIBUTED, num_heads=weights.heads,
        )  # fmt: skip
        stream.add(answer, f"{name}.self_attn.o")
        normed = stream.normed(f"{name}.post_attention_layernorm")
        inner = drawing.product(normed, weights[f"{name}.mlp.in.weight"])
        bias = drawing.constant(weights[f"{name}.mlp.in.bias"])
        stream.add(drawing.op("BiasGelu", [inner, bias], domain=CONTRIBUTED), f"{name}.mlp.out")
    _draw_audio_facts(drawing, weights, stream.normed("encoder.norm"))
    return drawing.model()


def draw_decoder(
    weights: Weights, drawing: Drawing | None = None, *, tied: bool = True
) -> OnnxModel:
    """The decoder: tokens after ``past`` others.

    drawing: how products are drawn; None: in float32.
    tied: the last product shares its table with the first look-up; if not, it is in float32.
    """
    drawing = drawing or Drawing()
    tokens = drawing.input("tokens", ["batch", "n"], integers=True)
    positions = drawing.input("positions", ["batch", "n"], integers=True)
    rows = and_first(drawing, tokens)
    self_bias, cross_bias = (
        drawing.op("Gather", [drawing.input(name, ["batch", 1, "n", length]), rows], axis=2)
        for name, length in (("self_bias", "total"), ("cross_bias", "frames"))
    )
    of_text, of_audio = (
        Seen(bias, ones(drawing, weights, bias), rows) for bias in (self_bias, cross_bias)
    )
    shape: list[Dimension] = ["batch", weights.heads, "past", weights.head_dim]
    angles = np.arange(POSITIONS, dtype=np.float32)[:, np.newaxis] * weights.frequencies
    turns = [drawing.constant(turn(angles)) for turn in (np.cos, np.sin)]
    table = weights["decoder.embed_tokens"]
    stream = _Stream(drawing, weights, drawing.rows(table, tokens))
    for layer in range(weights.layers("decoder")):
        name = f"decoder.layers.{layer}"
        past = [drawing.input(f"past_{part}_{layer}", shape) for part in ("key", "value")]
        heard: list[Dimension] = [*shape[:2], "frames", weights.head_dim]
        audio = [drawing.input(f"cross_{part}_{layer}", heard) for part in ("key", "value")]
        normed = stream.normed(f"{name}.input_layernorm")
        packed = np.concatenate([weights[f"{name}.self_attn.{part}.weight"] for part in "qkv"])
        product = by_head(drawing, weights, drawing.product(normed, packed), 3)
        sizes = drawing.integers(2 * weights.heads, weights.heads)
        both, values = drawing.ops("Split", [product, sizes], 2, axis=1)
        both = turned(drawing, weights, both, [positions, *turns], 2 * weights.heads)
        queries, keys = drawing.ops("Split", [both], 2, axis=1)
        grown = [
            drawing.op("Concat", [old, new], axis=2)
            for old, new in zip(past, (keys, values), strict=True)
        ]
        for part, one in zip(("key", "value"), grown, strict=True):
            drawing.output(one, f"{part}_{layer}", [*shape[:2], "total", weights.head_dim])
        stream.add(attended(drawing, weights, queries, grown, of_text), f"{name}.self_attn.o")
        normed = stream.normed(f"{name}.post_attention_layernorm")
        question = drawing.product(normed, weights[f"{name}.encoder_attn.q.weight"])
        question = by_head(drawing, weights, question)
        answer = attended(drawing, weights, question, audio, of_audio)
        stream.add(answer, f"{name}.encoder_attn.o")
        stream.add_gated(name)
    last = stream.normed("decoder.norm")
    apart = [last, drawing.constant(table.T)] if not tied else []
    logits = drawing.op("MatMul", apart) if apart else drawing.scores(last)
    drawing.output(logits, "logits", ["batch", "n", weights.vocabulary_size])
    return drawing.model()


def _draw_frames(drawing: Drawing, weights: Weights) -> Name:
    """The encoder's frames (batch, frames, width), from the second convolution's on."""
    convolved = drawing.input("convolved", ["batch", "convolved_frames", 2 * weights.width])
    moments = drawing.input("moments", ["batch", 1, 2])
    mean, mean_square = drawing.split(moments, 2)
    epsilon, one = (drawing.constant(np.array(value, np.float32)) for value in (_EPSILON, 1))
    variance = drawing.op("Sub", [mean_square, drawing.op("Mul", [mean, mean])])
    # Rounding may leave a silent window a little below 0.
    variance = drawing.op("Relu", [variance])
    deviation = drawing.op("Sqrt", [drawing.op("Add", [variance, epsilon])])
    scale = drawing.op("Div", [one, deviation])
    kernel = weights["encoder.conv2.weight"].sum(axis=2, dtype=np.float64)
    of_mean, of_shift = (
        (kernel @ weights[f"encoder.groupnorm.{part}"]).astype(np.float32)
        for part in ("weight", "bias")
    )
    lowered = drawing.op("Mul", [drawing.op("Mul", [mean, scale]), drawing.constant(of_mean)])
    offset = drawing.constant(of_shift + weights["encoder.conv2.bias"])
    shift = drawing.op("Sub", [offset, lowered])
    normal = drawing.op("Add", [drawing.op("Mul", [convolved, scale]), shift])
    active = drawing.op("Gelu", [normal], domain=CONTRIBUTED)
    beside = [
        drawing.op(
            "Slice",
            [active, *(drawing.integers(value) for value in (first, end, 1, STRIDES[2]))],
        )
        for first, end in ((0, -2), (1, -1), (2, END))
    ]
    joined = drawing.op("Concat", beside, axis=2)
    kernel3 = side_by_side(weights["encoder.conv3.weight"])
    # Another name for a product, so that it stays in float: rounding here is heard in every layer.
    product = drawing.op("FusedMatMul", [joined, drawing.constant(kernel3.T)], domain=CONTRIBUTED)
    bias = drawing.constant(weights["encoder.conv3.bias"])
    return drawing.op("BiasGelu", [product, bias], domain=CONTRIBUTED)


def _draw_audio_facts(drawing: Drawing, weights: Weights, hidden: Name) -> None:
    """Keys and values of every decoder layer."""
    names = [
        (layer, part) for layer in range(weights.layers("decoder")) for part in ("key", "value")
    ]
    packed = np.concatenate(
        [weights[f"decoder.layers.{layer}.encoder_attn.{part[0]}.weight"] for layer, part in names]
    )
    shape = drawing.integers(0, 0, len(names) * weights.heads, weights.head_dim)
    by_head = drawing.op("Reshape", [drawing.product(hidden, packed), shape])
    across = drawing.op("Transpose", [by_head], perm=[0, 2, 1, 3])
    parts = drawing.ops("Split", [across], len(names), axis=1)
    for (layer, part), one in zip(names, parts, strict=True):
        dimensions: list[Dimension] = ["batch", weights.heads, "frames", weights.head_dim]
        drawing.output(one, f"cross_{part}_{layer}", dimensions)


class _Stream:
    """The residual stream of one stack of layers.

    What is to be added to it waits until the next normalisation, which adds it on the way.
    """

    def __init__(self, drawing: Drawing, weights: Weights, start: Name) -> None:
        self._drawing = drawing
        self._weights = weights
        self.sum = start
        self._waiting: list[Name] = []  # what is added, and its bias

    def normed(self, name: str) -> Name:
        """The normalised stream."""
        for added in self._waiting:
            self.sum = self._drawing.op("Add", [self.sum, added])
        self._waiting = []
        scale = self._drawing.constant(self._weights[f"{name}.weight"])
        return self._drawing.op("LayerNormalization", [self.sum, scale], axis=-1, epsilon=_EPSILON)

    def add(self, inputs: Name, name: str) -> None:
        """Add a product of ``inputs``."""
        assert not self._waiting
        bias = self._weights.tensors.get(f"{name}.bias")
        self._waiting = [self._drawing.product(inputs, self._weights[f"{name}.weight"], bias)]

    def add_gated(self, name: str) -> None:
        """Add what the decoder's feed-forward layers of layer ``name`` make of the stream."""
        drawing, weights = self._drawing, self._weights
        normed = self.normed(f"{name}.final_layernorm")
        matrix, bias = (weights[f"{name}.mlp.in.{part}"] for part in ("weight", "bias"))
        plain, gate = drawing.split(drawing.product(normed, matrix, bias), 2)
        active = drawing.op("QuickGelu", [gate], domain=CONTRIBUTED, alpha=1.0)
        self.add(drawing.op("Mul", [plain, active]), f"{name}.mlp.out")
