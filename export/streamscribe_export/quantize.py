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

import numpy as np
import numpy.typing as npt

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.graph import save
from streamscribe_export.saturating import Bytes, Range, plan

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
    editor = _Editor(graph)
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


class _Editor:
    """Rewrites the nodes of one graph, in order."""

    def __init__(self, graph: OnnxModel) -> None:
        self._graph = graph
        self._nodes: list[Any] = []
        self._rows: set[str] = set()
        self._constant("of_levels", np.array(1 / 127, dtype=np.float32))
        self._constant("of_all_levels", np.array(1 / 255, dtype=np.float32))
        self._constant("least_range", np.array(1e-9, dtype=np.float32))
        self._constant("zero", np.array(0, dtype=np.uint8))
        self._constant("middle", np.array(128, dtype=np.uint8))

    def keep(self, node: Any) -> None:  # noqa: ANN401
        self._nodes.append(node)

    def replace(
        self,
        node: Any,  # noqa: ANN401
        weights: npt.NDArray[np.float32],
        top: int,
    ) -> None:
        """Put a product of bytes in place of ``node``, whose right side is ``weights``."""
        rows = "lifted" if weights.shape[1] < weights.shape[0] else "centred"
        row = self._row(node.input[0], rows)
        base = f"int8/{node.output[0]}"
        scale = _scales(weights, top)
        whole = np.clip(np.rint(weights / scale), -top, top).astype(np.int8)
        self._constant(f"{base}/weights", whole)
        self._constant(f"{base}/scale", scale)
        zero, level = "int8/middle", "int8/of_levels"
        if rows == "lifted":
            zero, level = "int8/zero", "int8/of_all_levels"
        # ONNX Runtime would fuse these from standard operations, too, but then takes in the bias
        # that follows, and scales it by frames as well.
        product = [f"{row}/q", f"{base}/weights", level, f"{base}/scale", zero]
        columns = f"{base}/columns"
        self._add("MatMulIntegerToFloat", product, columns, domain=CONTRIBUTED)
        scaled = f"{base}/scaled" if rows == "lifted" else node.output[0]
        self._add("Mul", [columns, f"{row}/range"], scaled)
        if rows == "lifted":
            sums = whole.astype(np.int64).sum(axis=0) * scale.astype(np.float64)
            self._constant(f"{base}/sums", sums.astype(np.float32))
            self._add("Mul", [f"{row}/low", f"{base}/sums"], f"{base}/offset")
            self._add("Add", [scaled, f"{base}/offset"], node.output[0])

    def shift(self, node: Any, bytes_: Bytes) -> None:  # noqa: ANN401
        """Let the normalisation ``node`` move what it gives to where ``bytes_`` are."""
        name, shift = f"int8/shift/{node.output[0]}", bytes_.shift
        if len(node.input) > 2:
            raise ValueError(f"{node.name} has a shift already")
        self._constant(name, shift)
        node.input.append(name)
        self.keep(node)

    def replace_known(
        self,
        node: Any,  # noqa: ANN401
        weights: npt.NDArray[np.float32],
        top: int,
        bytes_: Bytes,
    ) -> None:
        """The same where the left side is written in ``bytes_``."""
        row = self._known_row(node.input[0], bytes_)
        base = f"int8/{node.output[0]}"
        scale = _scales(weights, top)
        whole = np.clip(np.rint(weights / scale), -top, top).astype(np.int8)
        self._constant(f"{base}/weights", bytes_.rows(whole))
        self._constant(f"{base}/scale", scale)
        self._constant(f"{base}/lacking", bytes_.lacking(whole * scale))
        product = [f"{row}/q", f"{base}/weights", f"{row}/step", f"{base}/scale", "int8/middle"]
        self._add(
            "MatMulIntegerToFloat", [*product, "", f"{base}/lacking"], node.output[0],
            domain=CONTRIBUTED,
        )  # fmt: skip

    def finish(self) -> None:
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)

    def _row(self, name: str, rows: str) -> str:
        """Nodes that quantise every frame of tensor ``name``; written once for each way."""
        row = f"int8/{rows}/{name}"
        if row in self._rows:
            return row
        self._rows.add(row)
        above, level, zero = name, "int8/of_levels", "int8/middle"
        if rows == "lifted":
            above, level, zero = f"{row}/above", "int8/of_all_levels", "int8/zero"
            self._add("ReduceMin", [name], f"{row}/low", axes=[-1], keepdims=1)
            self._add("ReduceMax", [name], f"{row}/high", axes=[-1], keepdims=1)
            self._add("Sub", [f"{row}/high", f"{row}/low"], f"{row}/span")
            self._add("Sub", [name, f"{row}/low"], above)
        else:
            self._add("Abs", [name], f"{row}/size")
            self._add("ReduceMax", [f"{row}/size"], f"{row}/span", axes=[-1], keepdims=1)
        self._add("Max", [f"{row}/span", "int8/least_range"], f"{row}/range")
        self._add("Div", [above, f"{row}/range"], f"{row}/part")
        self._add("QuantizeLinear", [f"{row}/part", level, zero], f"{row}/q")
        return row

    def _known_row(self, name: str, bytes_: Bytes) -> str:
        """Nodes that write tensor ``name`` in ``bytes_``; once."""
        row = f"int8/known/{name}"
        if row in self._rows:
            return row
        self._rows.add(row)
        self._constant(f"{row}/step", np.array(bytes_.step, dtype=np.float32))
        self._constant(f"{row}/channels", bytes_.channels)
        self._constant(f"{row}/centres", bytes_.centres)
        quantised = [f"{row}/step", "int8/middle"]
        self._add("QuantizeLinear", [name, *quantised], f"{row}/first")
        self._add("Gather", [name, f"{row}/channels"], f"{row}/loud", axis=-1)
        self._add("Sub", [f"{row}/loud", f"{row}/centres"], f"{row}/rest")
        self._add("QuantizeLinear", [f"{row}/rest", *quantised], f"{row}/others")
        self._add("Concat", [f"{row}/first", f"{row}/others"], f"{row}/q", axis=-1)
        return row

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:  # noqa: ANN401
        self._nodes.append(_node(kind, inputs, [output], **attributes))

    def _constant(self, name: str, value: npt.NDArray[Any]) -> None:
        from onnx import numpy_helper

        full = name if name.startswith("int8/") else f"int8/{name}"
        self._graph.initializer.append(numpy_helper.from_array(value, full))


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:  # noqa: ANN401
    from onnx import helper

    return helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes)


def column_steps(
    weights: npt.NDArray[np.float32], top: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """A step for each column, and whether all of the column are whole multiples of it.

    So it is with weights that were quantised before. No multiple exceeds ``top``.
    """
    scale = np.maximum(abs(weights).max(axis=0), 1e-12).astype(np.float32) / top
    gaps = np.diff(np.sort(weights, axis=0), axis=0)
    step = np.where(gaps > scale / 64, gaps, np.inf).min(axis=0)
    levels = weights / step
    whole = abs(levels - np.rint(levels)).max(axis=0) < 1e-2
    kept = whole & (abs(levels).max(axis=0) < top + 0.5)
    return step.astype(np.float32), kept


def _scales(weights: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.float32]:
    """The scale of each column: its step where it has one, so that nothing is rounded twice."""
    step, kept = column_steps(weights, top)
    scale = np.maximum(abs(weights).max(axis=0), 1e-12).astype(np.float32) / top
    return np.where(kept, step, scale).astype(np.float32)


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
