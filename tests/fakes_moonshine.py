"""Moonshine in small, with random weights; and the vendor's graphs in float."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import NodeProto, helper, numpy_helper

from streamscribe.front_blocks import FrontBlocks
from streamscribe_export.moonshine.front import KERNELS, draw_front
from streamscribe_export.moonshine.vendor import _Reader, read_graph
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

    def near_one() -> Tensor:
        return (1 + some(WIDTH) / 10).astype(np.float32)

    tensors: dict[str, Tensor] = {
        "encoder.conv1.weight": np.float32(5) * some(WIDTH, 1, KERNELS[0]),
        "encoder.conv2.weight": some(2 * WIDTH, WIDTH, KERNELS[1]),
        "encoder.conv3.weight": some(WIDTH, 2 * WIDTH, KERNELS[2]),
        "encoder.conv2.bias": some(2 * WIDTH),
        "encoder.conv3.bias": some(WIDTH),
        "encoder.groupnorm.weight": near_one(),
        "encoder.groupnorm.bias": some(WIDTH),
        "decoder.embed_tokens": some(VOCABULARY, WIDTH),
    }
    for side, norms in (
        ("encoder", ("input_layernorm", "post_attention_layernorm")),
        ("decoder", ("input_layernorm", "post_attention_layernorm", "final_layernorm")),
    ):
        tensors[f"{side}.norm.weight"] = near_one()
        attentions = ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",)
        inner = 4 * WIDTH
        for layer in range(LAYERS):
            name = f"{side}.layers.{layer}"
            tensors |= {f"{name}.{norm}.weight": near_one() for norm in norms}
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


def vendor_in_float(file: Path) -> ort.InferenceSession:
    """The vendor's graph with its bytes turned into floats, which is what ours must equal."""
    model = read_graph(file)
    reader = _Reader(model)
    plain = {
        output: node.input[0]
        for node in reader.nodes
        if node.op_type == "DynamicQuantizeLinear"
        for output in node.output
    }
    weights: dict[str, Tensor] = {}
    attributes = [one for node in model.graph.node for one in node.attribute]
    # The branches first: to write the outer nodes anew copies them.
    for graph in [*(one.g for one in attributes if one.HasField("g")), model.graph]:
        graph.name = graph.name or "branch"
        nodes = [_in_float(node, plain, weights, reader) for node in graph.node]
        del graph.node[:]
        graph.node.extend(node for some in nodes for node in some)
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def _in_float(
    node: NodeProto, plain: dict[str, str], weights: dict[str, Tensor], reader: _Reader
) -> list[NodeProto]:
    if node.op_type == "DynamicQuantizeLinear":
        return []
    if node.op_type not in ("MatMulIntegerToFloat", "DynamicQuantizeMatMul"):
        return [node]
    weight = f"{node.input[1]}/float"
    weights[weight] = reader.value(node.input[1])
    left, [output] = plain.get(node.input[0], node.input[0]), node.output
    bias = node.input[4] if node.op_type == "DynamicQuantizeMatMul" and len(node.input) > 4 else ""
    product = helper.make_node("MatMul", [left, weight], [f"{output}/product" if bias else output])
    added = helper.make_node("Add", [f"{output}/product", bias], [output])
    return [product, added] if bias else [product]
