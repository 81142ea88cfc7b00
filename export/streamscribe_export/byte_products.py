"""Putting products of bytes in place of products of floats: see ``quantize.py``."""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.column_steps import column_scales
from streamscribe_export.saturating import Bytes

OnnxModel = Any


class Editor:
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
        """Leave ``node`` as it is."""
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
        scale = column_scales(weights, top)
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
        scale = column_scales(weights, top)
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
        """Put the nodes into the graph."""
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
