"""Moonshine in small: random weights, and the front graph drawn from them."""

from functools import cache

import numpy as np
import onnxruntime as ort

from streamscribe.front_blocks import FrontBlocks
from streamscribe_export.moonshine.graphs import KERNELS, draw_front
from streamscribe_export.moonshine.weights import Tensor, Weights

WIDTH = 8
HEADS = 2
LAYERS = 2
VOCABULARY = 64


def random_weights(seed: int = 0) -> Weights:
    """Weights of a model that says nothing sensible, in the real one's shape."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> Tensor:
        spread = np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 1.0
        return (rng.standard_normal(shape) * spread).astype(np.float32)

    tensors = {
        "encoder.conv1.weight": some(WIDTH, 1, KERNELS[0]) * 5,
        "encoder.conv2.weight": some(2 * WIDTH, WIDTH, KERNELS[1]),
        "encoder.conv3.weight": some(WIDTH, 2 * WIDTH, KERNELS[2]),
        "encoder.conv2.bias": some(2 * WIDTH),
        "encoder.conv3.bias": some(WIDTH),
        "encoder.groupnorm.weight": 1 + some(WIDTH) / 10,
        "encoder.groupnorm.bias": some(WIDTH),
        "decoder.embed_tokens": some(VOCABULARY, WIDTH),
    }
    for side, norms in (
        ("encoder", ("input_layernorm", "post_attention_layernorm")),
        ("decoder", ("input_layernorm", "post_attention_layernorm", "final_layernorm")),
    ):
        tensors[f"{side}.norm.weight"] = 1 + some(WIDTH) / 10
        attentions = ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",)
        inner = 4 * WIDTH
        for layer in range(LAYERS):
            name = f"{side}.layers.{layer}"
            tensors |= {f"{name}.{norm}.weight": 1 + some(WIDTH) / 10 for norm in norms}
            for attention in attentions:
                for part in "qkvo":
                    tensors[f"{name}.{attention}.{part}.weight"] = some(WIDTH, WIDTH)
            gated = 2 * inner if side == "decoder" else inner
            tensors[f"{name}.mlp.in.weight"] = some(gated, WIDTH)
            tensors[f"{name}.mlp.in.bias"] = some(gated)
            tensors[f"{name}.mlp.out.weight"] = some(WIDTH, inner)
            tensors[f"{name}.mlp.out.bias"] = some(WIDTH)
    return Weights(tensors, heads=HEADS, frequencies=np.array([1.0], dtype=np.float32))


@cache
def small_front() -> FrontBlocks:
    """The front graph of ``random_weights``."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    graph = ort.InferenceSession(
        draw_front(random_weights()).SerializeToString(), options, ["CPUExecutionProvider"]
    )
    return FrontBlocks(graph, "small")
