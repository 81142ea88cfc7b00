"""Smaller weights: int8 for matrix products, or fp16 for everything.

int8 quantises weights per output column once, and activations per frame at every call:

    x = scale * (q - 0) + low                 of one frame, low its least value
    x @ W = scale * (q @ W) + low * columns   columns: the sums of W's columns

ONNX Runtime's own dynamic quantisation takes one scale for the whole call instead, so that a loud
frame coarsens all others and a neighbour in the batch changes the result. Per frame no frame
knows of any other, whatever else is in the call, so such bundles may still be batched. It also
costs no time: the product is the same, and the passes over the activations are small beside it.

Convolutions stay in float: there quantisation is slow and costs accuracy. So does the last
product, the head, whose rounding nothing averages out.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe_export.errors import UnsupportedCheckpoint

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


def quantize_int8(model: OnnxModel, weights: WeightRange) -> int:
    """Quantise in place; returns how many products were."""
    from onnx import numpy_helper

    graph = model.graph
    floats = {weight.name: weight for weight in graph.initializer}
    products = [node for node in graph.node if _is_product(node, floats)][:-1]
    editor = _Editor(graph)
    chosen = {node.output[0] for node in products}
    users = _count_users(graph)
    for node in list(graph.node):
        if node.output[0] not in chosen:
            editor.keep(node)
            continue
        name = node.input[1]
        editor.replace(node, numpy_helper.to_array(floats[name]), weights.top)
        users[name] -= 1
        if not users[name]:
            graph.initializer.remove(floats[name])
    editor.finish()
    return len(products)


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
        onnx.save(half, file)
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


class _Editor:
    """Rewrites the nodes of one graph, in order."""

    def __init__(self, graph: OnnxModel) -> None:
        self._graph = graph
        self._nodes: list[Any] = []
        self._rows: dict[str, str] = {}
        self._constant("levels", np.array(255, dtype=np.float32))
        self._constant("least_range", np.array(1e-9, dtype=np.float32))
        self._constant("one", np.array(1, dtype=np.float32))
        self._constant("zero", np.array(0, dtype=np.uint8))

    def keep(self, node: Any) -> None:  # noqa: ANN401
        self._nodes.append(node)

    def replace(self, node: Any, weights: npt.NDArray[np.float32], top: int) -> None:  # noqa: ANN401
        """Put a product of bytes in place of ``node``, whose right side is ``weights``."""
        row = self._row(node.input[0])
        base = f"int8/{node.output[0]}"
        scale = np.maximum(abs(weights).max(axis=0), 1e-12).astype(np.float32) / top
        whole = np.clip(np.rint(weights / scale), -top, top).astype(np.int8)
        self._constant(f"{base}/weights", whole)
        self._constant(f"{base}/scale", scale)
        columns = whole.astype(np.int64).sum(axis=0) * scale.astype(np.float64)
        self._constant(f"{base}/columns", columns.astype(np.float32))
        self._add("MatMulInteger", [f"{row}/q", f"{base}/weights"], f"{base}/sum")
        self._add("Cast", [f"{base}/sum"], f"{base}/float", to=1)
        self._add("Mul", [f"{row}/scale", f"{base}/scale"], f"{base}/scales")
        self._add("Mul", [f"{base}/float", f"{base}/scales"], f"{base}/scaled")
        self._add("Mul", [f"{row}/low", f"{base}/columns"], f"{base}/offset")
        self._add("Add", [f"{base}/scaled", f"{base}/offset"], node.output[0])

    def finish(self) -> None:
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)

    def _row(self, name: str) -> str:
        """Nodes that quantise every frame of tensor ``name``; written once."""
        if name not in self._rows:
            row = self._rows[name] = f"int8/row/{name}"
            self._add("ReduceMin", [name], f"{row}/low", axes=[-1], keepdims=1)
            self._add("ReduceMax", [name], f"{row}/high", axes=[-1], keepdims=1)
            self._add("Sub", [f"{row}/high", f"{row}/low"], f"{row}/span")
            self._add("Max", [f"{row}/span", "int8/least_range"], f"{row}/range")
            self._add("Div", [f"{row}/range", "int8/levels"], f"{row}/scale")
            self._add("Div", ["int8/levels", f"{row}/range"], f"{row}/inverse")
            self._add("Sub", [name, f"{row}/low"], f"{row}/above")
            self._add("Mul", [f"{row}/above", f"{row}/inverse"], f"{row}/level")
            self._add("QuantizeLinear", [f"{row}/level", "int8/one", "int8/zero"], f"{row}/q")
        return self._rows[name]

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:  # noqa: ANN401
        from onnx import helper

        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def _constant(self, name: str, value: npt.NDArray[Any]) -> None:
        from onnx import numpy_helper

        full = name if name.startswith("int8/") else f"int8/{name}"
        self._graph.initializer.append(numpy_helper.from_array(value, full))


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
