"""Smaller weights: int8 for matrix products, or fp16 for everything.

int8 quantises weights per output column once, and activations per frame at every call, centred:

    x = scale * (q - 128)                     of one frame, scale its largest value / 127
    x @ W = scale * ((q - 128) @ W)

Products that make frames narrower follow an activation function in these families. It leaves
little below 0, so there the bytes begin at the frame's least value instead:

    x = scale * q + low
    x @ W = scale * (q @ W) + low * columns   columns: the sums of W's columns

The two passes more over the result, which is narrow there, are worth the bit that they save.

ONNX Runtime's own dynamic quantisation takes one scale for the whole call instead, so that a loud
frame coarsens all others and a neighbour in the batch changes the result. Per frame no frame
knows of any other, whatever else is in the call, so such bundles may still be batched. It also
costs no time: the product is the same, and the passes over the activations are small beside it.

Where the range of normalised numbers is known beforehand, neither pass is needed, and loud channels
coarsen no others: see ``saturating.py``.

Convolutions stay in float: there quantisation is slow and costs accuracy. So does the last
product, the head, whose rounding nothing averages out.
"""

import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.byte_products import Editor
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.graph import save
from streamscribe_export.saturating import Range, plan

OnnxModel = Any

LEAST_WEIGHTS: Final = 1_024
"""Smaller matrices are not worth the passes."""


@dataclass(frozen=True, slots=True)
class WeightRange:
    """How far int8 weights may go, and why."""

    bits: int
    reason: str

    @property
    def top(self) -> int:
        """The largest weight."""
        return (1 << (self.bits - 1)) - 1


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph as it was traced, in float32, and where the bundle's goes."""

    plain: Path
    file: Path
    head: bool
    """Whether its last product is the head."""


def weight_range(cpuinfo: Path = Path("/proc/cpuinfo"), machine: str = "x86_64") -> WeightRange:
    """All 8 bits where products of bytes are exact, 7 where they may overflow.

    x86 processors without VNNI add two products of bytes in 16 bits, which overflows if weights
    use their whole range.
    """
    if machine not in ("x86_64", "AMD64"):
        return WeightRange(8, "products of bytes are exact on this processor")
    try:
        flags = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        flags = ""
    if re.search(r"\b(avx512_vnni|avx_vnni)\b", flags):
        return WeightRange(8, "this processor has VNNI; without it, export again there")
    return WeightRange(7, "this processor has no VNNI, where full weights could overflow")


def quantize_int8(
    model: OnnxModel,
    weights: WeightRange,
    *,
    head: bool = True,
    known: Mapping[str, Range] | None = None,
) -> int:
    """Quantise in place; returns how many products were.

    head: the last product is the head, and stays as it is.
    known: ranges of normalised tensors, by name, which are then quantised by these instead of per
    frame. Only products may use them.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    floats = {weight.name: weight for weight in graph.initializer}
    products = [node for node in graph.node if _is_product(node, floats)]
    products = products[:-1] if head else products
    editor = Editor(graph)
    chosen = {node.output[0] for node in products}
    plans = {name: plan(one) for name, one in (known or {}).items()}
    users = _count_users(graph)
    for node in list(graph.node):
        if node.output[0] in plans:
            editor.shift(node, plans[node.output[0]])
        elif node.output[0] not in chosen:
            editor.keep(node)
        if node.output[0] not in chosen:
            continue
        name = node.input[1]
        array = numpy_helper.to_array(floats[name])
        if node.input[0] in plans:
            editor.replace_known(node, array, weights.top, plans[node.input[0]])
        else:
            editor.replace(node, array, weights.top)
        users[name] -= 1
        if not users[name]:
            graph.initializer.remove(floats[name])
    editor.finish()
    if CONTRIBUTED not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(CONTRIBUTED, 1))
    return len(products)


def convert(graphs: Sequence[Traced], quantize: str) -> str:
    """Write graphs as they are asked for: ``none``, ``int8`` or ``fp16``; returns what was done."""
    import onnx

    if quantize == "fp16":
        for graph in graphs:
            write_fp16(graph.file, graph.plain)
        return "float16 inside, float32 outside"
    chosen, count = weight_range(machine=platform.machine()), 0
    for graph in graphs:
        model = onnx.load(graph.plain)
        if quantize == "int8":
            count += quantize_int8(model, chosen, head=graph.head)
        save(model, graph.file)
    if quantize == "none":
        return "float32"
    return f"{count} matrix products in int8, weights of {chosen.bits} bits: {chosen.reason}"


def write_fp16(file: Path, plain: Path) -> None:
    """Write ``plain`` with half-precision weights and sums; input and output stay float32.

    ONNX Runtime 1.32 ends the whole process when it moves transpositions about in some of these
    graphs. So each is first loaded by a process of its own, and where that ends, transpositions
    stay in float.
    """
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    for in_float in ([], ["Transpose"]):
        blocked = [*DEFAULT_OP_BLOCK_LIST, *in_float]
        graph = onnx.load(plain)
        half = convert_float_to_float16(
            graph, keep_io_types=True, op_block_list=blocked, node_block_list=_angles(graph.graph)
        )
        save(half, file)
        if _loads(file):
            return
    raise UnsupportedCheckpoint(
        "ONNX Runtime can't load this model in half precision; allowed: --quantize none or int8"
    )


def _angles(graph: OnnxModel) -> list[str]:
    """Nodes that compute the angles of positions, which half precision has no digits for."""
    source = {output: node for node in graph.node for output in node.output}
    waiting = [node for node in graph.node if node.op_type in ("Sin", "Cos")]
    found: dict[str, None] = {}
    while waiting:
        node = waiting.pop()
        if node.op_type != "Shape" and node.name not in found:
            found[node.name] = None
            waiting += [source[name] for name in node.input if name in source]
    return list(found)


def _loads(file: Path) -> bool:
    code = (
        "import sys, onnxruntime as o;"
        "o.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, check=False, timeout=600
    )
    return loaded.returncode == 0


def _is_product(node: Any, floats: dict[str, Any]) -> bool:  # noqa: ANN401
    if node.op_type != "MatMul" or node.input[1] not in floats:
        return False
    weight = floats[node.input[1]]
    return (
        weight.data_type == 1
        and len(weight.dims) == 2
        and weight.dims[0] * weight.dims[1] >= LEAST_WEIGHTS
    )


def _count_users(graph: OnnxModel) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            counts[name] = counts.get(name, 0) + 1
    return counts
