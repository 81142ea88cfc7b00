"""Whisper's two graphs, drawn from its weights.

::

    encoder   input_features (batch, frames, mels), any number of frames up to 3,000
              -> cross_key_L, cross_value_L (batch, heads, frames / 2, head_dim)    per layer
                 alignment_keys (batch, alignment heads, head_dim, frames / 2)
    decoder   tokens, positions (batch, n); self_bias (batch, 1, n, past + n),
              cross_bias (batch, 1, n, frames / 2); past_key_L, past_value_L
              (batch, heads, past, head_dim); cross_key_L, cross_value_L; alignment_keys
              -> logits (batch, n, vocabulary); key_L, value_L (batch, heads, past + n, head_dim)
                 attention (batch, alignment heads, n, frames / 2)

The positions of the encoder are cut to the audio that there is, so nothing is padded to 30 s. What
the decoder asks of the audio is computed once, with the encoder. Biases are added to the scores of
attention before the softmax: they hide what a row of a batch must not see.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.drawing import Dimension, Drawing, Name
from streamscribe_export.whisper.weights import Weights

OnnxModel = Any
_CONV_STRIDE: Final = 2


@dataclass(frozen=True, slots=True)
class AlignmentHead:
    """A cross-attention head whose attention follows the audio."""

    layer: int
    head: int


def draw_encoder(weights: Weights, heads: tuple[AlignmentHead, ...]) -> OnnxModel:
    """The encoder, with everything that the decoder's cross-attention needs of the audio."""
    drawing = Drawing()
    features = drawing.input("input_features", ["batch", "feature_frames", weights.mels])
    channels = drawing.op("Transpose", [features], perm=[0, 2, 1])
    for number, stride in ((1, 1), (2, _CONV_STRIDE)):
        kernel, shift = weights.linear(f"encoder.conv{number}")
        inputs = [channels, drawing.constant(kernel), drawing.constant(shift)]
        convolved = drawing.op(
            "Conv", inputs, kernel_shape=[3], pads=[1, 1], strides=[stride], dilations=[1], group=1
        )
        channels = drawing.op("Gelu", [convolved], domain=CONTRIBUTED)
    frames = drawing.op("Transpose", [channels], perm=[0, 2, 1])
    length = drawing.op("Shape", [frames], start=1, end=2)
    table = drawing.constant(weights["encoder.embed_positions.weight"])
    zero, first_axis = drawing.integers(0), drawing.integers(0)
    positions = drawing.op("Slice", [table, zero, length, first_axis])
    stream = _Stream(drawing, weights, drawing.op("Add", [frames, positions]))
    for layer in range(weights.layers("encoder")):
        name = f"encoder.layers.{layer}"
        normed = stream.normed(f"{name}.self_attn_layer_norm")
        queries, keys, values = (
            drawing.product(normed, weights[f"{name}.self_attn.{part}_proj.weight"])
            for part in "qkv"
        )
        bias = drawing.constant(_qkv_bias(weights, f"{name}.self_attn"))
        attended = drawing.op(
            "MultiHeadAttention", [queries, keys, values, bias],
            domain=CONTRIBUTED, num_heads=weights.heads,
        )  # fmt: skip
        stream.add_linear(attended, f"{name}.self_attn.out_proj")
        stream.feed_forward(name)
    _draw_audio_facts(drawing, weights, heads, stream.normed("encoder.layer_norm"))
    return drawing.model()


def _draw_audio_facts(
    drawing: Drawing, weights: Weights, heads: tuple[AlignmentHead, ...], hidden: Name
) -> None:
    """Keys and values of every decoder layer, and the keys of the alignment heads."""
    shape = drawing.integers(0, 0, weights.heads, -1)
    parts: list[Name] = []
    for layer in range(weights.layers("decoder")):
        name = f"decoder.layers.{layer}.encoder_attn"
        for part, output in (("k", "key"), ("v", "value")):
            weight, bias = weights.linear(f"{name}.{part}_proj")
            projected = drawing.product(hidden, weight)
            if part == "v":
                projected = drawing.op("Add", [projected, drawing.constant(bias)])
            by_head = drawing.op("Reshape", [projected, shape])
            across = drawing.op("Transpose", [by_head], perm=[0, 2, 1, 3])
            drawing.output(
                across,
                f"cross_{output}_{layer}",
                ["batch", weights.heads, "frames", weights.width // weights.heads],
            )
            chosen = [one.head for one in heads if one.layer == layer]
            if part == "k" and chosen:
                parts.append(drawing.op("Gather", [across, drawing.integers(*chosen)], axis=1))
    keys = drawing.op("Concat", parts, axis=1)
    turned = drawing.op("Transpose", [keys], perm=[0, 1, 3, 2])
    drawing.output(
        turned, "alignment_keys", ["batch", len(heads), weights.width // weights.heads, "frames"]
    )


def draw_decoder(
    weights: Weights, heads: tuple[AlignmentHead, ...], drawing: Drawing | None = None
) -> OnnxModel:
    """The decoder: tokens after ``past`` others.

    drawing: how products are drawn; None: in float32.
    """
    drawing = drawing or Drawing()
    head_dim = weights.width // weights.heads
    tokens = drawing.input("tokens", ["batch", "n"], integers=True)
    positions = drawing.input("positions", ["batch", "n"], integers=True)
    self_bias = drawing.input("self_bias", ["batch", 1, "n", "total"])
    cross_bias = drawing.input("cross_bias", ["batch", 1, "n", "frames"])
    of_audio: list[Dimension] = ["batch", weights.heads, "frames", head_dim]
    embedded = drawing.rows(weights["decoder.embed_tokens.weight"], tokens)
    table = drawing.constant(weights["decoder.embed_positions.weight"])
    placed = drawing.op("Gather", [table, positions], axis=0)
    stream = _Stream(drawing, weights, drawing.op("Add", [embedded, placed]))
    asked: list[Name] = []
    for layer in range(weights.layers("decoder")):
        name = f"decoder.layers.{layer}"
        past = [
            drawing.input(f"past_{part}_{layer}", ["batch", weights.heads, "past", head_dim])
            for part in ("key", "value")
        ]
        audio = [drawing.input(f"cross_{part}_{layer}", of_audio) for part in ("key", "value")]
        normed = stream.normed(f"{name}.self_attn_layer_norm")
        packed = np.concatenate([weights[f"{name}.self_attn.{part}_proj.weight"] for part in "qkv"])
        queries, keys, values = drawing.split(drawing.product(normed, packed), 3)
        bias = drawing.constant(_qkv_bias(weights, f"{name}.self_attn"))
        attended, key, value = drawing.ops(
            "MultiHeadAttention", [queries, keys, values, bias, "", self_bias, *past], 3,
            domain=CONTRIBUTED, num_heads=weights.heads,
        )  # fmt: skip
        for part, grown in (("key", key), ("value", value)):
            drawing.output(grown, f"{part}_{layer}", ["batch", weights.heads, "total", head_dim])
        stream.add_linear(attended, f"{name}.self_attn.out_proj")
        normed = stream.normed(f"{name}.encoder_attn_layer_norm")
        weight, bias_of_query = weights.linear(f"{name}.encoder_attn.q_proj")
        question = drawing.op(
            "Add", [drawing.product(normed, weight), drawing.constant(bias_of_query)]
        )
        asked += _alignment_queries(drawing, weights, layer, heads, question)
        heard = drawing.op(
            "MultiHeadAttention", [question, *audio, "", "", cross_bias],
            domain=CONTRIBUTED, num_heads=weights.heads,
        )  # fmt: skip
        stream.add_linear(heard, f"{name}.encoder_attn.out_proj")
        stream.feed_forward(name)
    logits = drawing.scores(stream.normed("decoder.layer_norm"))
    drawing.output(logits, "logits", ["batch", "n", weights.vocabulary_size])
    _draw_attention(drawing, asked, head_dim, len(heads), cross_bias)
    return drawing.model()


def _alignment_queries(
    drawing: Drawing,
    weights: Weights,
    layer: int,
    heads: tuple[AlignmentHead, ...],
    question: Name,
) -> list[Name]:
    chosen = [one.head for one in heads if one.layer == layer]
    if not chosen:
        return []
    shape = drawing.integers(0, 0, weights.heads, -1)
    by_head = drawing.op("Reshape", [question, shape])
    across = drawing.op("Transpose", [by_head], perm=[0, 2, 1, 3])
    return [drawing.op("Gather", [across, drawing.integers(*chosen)], axis=1)]


def _draw_attention(
    drawing: Drawing, asked: list[Name], head_dim: int, heads: int, cross_bias: Name
) -> None:
    """What the alignment heads look at; each row sums to 1 over the frames."""
    keys = drawing.input("alignment_keys", ["batch", heads, head_dim, "frames"])
    queries = drawing.op("Concat", asked, axis=1)
    scale = drawing.constant(np.array(head_dim**-0.5, dtype=np.float32))
    scores = drawing.op("MatMul", [drawing.op("Mul", [queries, scale]), keys])
    seen = drawing.op("Softmax", [drawing.op("Add", [scores, cross_bias])], axis=-1)
    drawing.output(seen, "attention", ["batch", heads, "n", "frames"])


def _qkv_bias(weights: Weights, name: str) -> Any:  # noqa: ANN401
    return np.concatenate([weights.linear(f"{name}.{part}_proj")[1] for part in "qkv"])


class _Stream:
    """The residual stream of one stack of layers.

    What is to be added to it waits until the next normalisation, which adds it on the way.
    """

    def __init__(self, drawing: Drawing, weights: Weights, start: Name) -> None:
        self._drawing = drawing
        self._weights = weights
        self._sum = start
        self._waiting: tuple[Name, Name] | None = None  # what is added, and its bias

    def normed(self, name: str) -> Name:
        """The normalised stream."""
        scale, shift = (
            self._drawing.constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        if self._waiting is None:
            return self._drawing.op(
                "LayerNormalization", [self._sum, scale, shift], axis=-1, epsilon=1e-5
            )
        added, bias = self._waiting
        outputs = self._drawing.ops(
            "SkipLayerNormalization", [added, self._sum, scale, shift, bias], 4,
            domain=CONTRIBUTED, epsilon=1e-5, unused=(1, 2),
        )  # fmt: skip
        self._waiting, self._sum = None, outputs[3]
        return outputs[0]

    def add_linear(self, inputs: Name, name: str) -> None:
        """Add a linear layer's output."""
        assert self._waiting is None
        weight, bias = self._weights.linear(name)
        self._waiting = self._drawing.product(inputs, weight), self._drawing.constant(bias)

    def feed_forward(self, name: str) -> None:
        """Add what the feed-forward layers of layer ``name`` make of it."""
        weight, bias = self._weights.linear(f"{name}.fc1")
        normed = self.normed(f"{name}.final_layer_norm")
        inner = [self._drawing.product(normed, weight), self._drawing.constant(bias)]
        self.add_linear(self._drawing.op("BiasGelu", inner, domain=CONTRIBUTED), f"{name}.fc2")
