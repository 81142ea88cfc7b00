"""Drawing an ONNX graph node by node.

Products with weights can be drawn in float32 or, with ``block``, in 8 bits: then each run of
``block`` weights has a scale of its own, and so has each run of activations at every call. No row
knows of any other, so neighbours in a batch and later tokens change a result by rounding alone;
that may, rarely, move an activation to its next level.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe_export.attention import CONTRIBUTED
from streamscribe_export.column_steps import column_steps
from streamscribe_export.graph import OPSET

Name: TypeAlias = str
"""Of a value in the graph."""
Array: TypeAlias = npt.NDArray[Any]
Dimension: TypeAlias = int | str

IR_VERSION: Final = 9
_INT8: Final = 4
"""The accuracy level at which ONNX Runtime multiplies bytes."""


class Drawing:
    """One graph; the methods return names of values.

    block: products with weights are drawn in 8 bits, in blocks of so many; None: in float32.
    stepped: weights that are whole multiples of a step in all of a row stay exactly what they are.
    """

    def __init__(self, block: int | None = None, *, stepped: bool = False) -> None:
        self._block = block
        self._stepped = stepped
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._given: dict[Name, Name] = {}
        self._known: dict[tuple[int, ...], Name] = {}
        self._tied: Any = None

    def input(self, name: Name, shape: list[Dimension], *, integers: bool = False) -> Name:
        """An input of the graph."""
        from onnx import TensorProto, helper

        kind = TensorProto.INT64 if integers else TensorProto.FLOAT
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, value: Name, name: Name, shape: list[Dimension]) -> None:
        """Give ``value`` out as ``name``."""
        from onnx import TensorProto, helper

        self._given[value] = name
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, array: Array) -> Name:
        """A constant."""
        from onnx import numpy_helper

        name = f"constant_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def integers(self, *values: int) -> Name:
        """A constant list of integers; the same ones are written once."""
        if values not in self._known:
            self._known[values] = self.constant(np.array(values, dtype=np.int64))
        return self._known[values]

    def op(self, kind: str, inputs: list[Name], *, domain: str = "", **attributes: Any) -> Name:  # noqa: ANN401
        """A node with one output."""
        return self.ops(kind, inputs, 1, domain=domain, **attributes)[0]

    def ops(
        self,
        kind: str,
        inputs: list[Name],
        count: int,
        *,
        domain: str = "",
        unused: tuple[int, ...] = (),
        **attributes: Any,  # noqa: ANN401
    ) -> list[Name]:
        """A node with ``count`` outputs, of which those at ``unused`` have no name."""
        from onnx import helper

        base = f"{kind}_{len(self._nodes)}"
        outputs = ["" if at in unused else f"{base}_{at}" for at in range(count)]
        self._nodes.append(
            helper.make_node(kind, inputs, outputs, name=base, domain=domain, **attributes)
        )
        return outputs

    def split(self, value: Name, count: int) -> list[Name]:
        """Equal parts along the last axis."""
        return self.ops("Split", [value], count, axis=-1)

    def product(self, value: Name, weight: Array, bias: Array | None = None) -> Name:
        """``value`` times the transpose of ``weight``, (out, in), and ``bias`` (out,)."""
        shift = [] if bias is None else [self.constant(bias)]
        if self._block is None:
            product = self.op("MatMul", [value, self.constant(weight.T)])
            return self.op("Add", [product, *shift]) if shift else product
        whole, scale = map(self.constant, _quantized(weight, self._block, self._stepped))
        return self._product(value, whole, scale, weight.shape, shift)

    def rows(self, table: Array, chosen: Name) -> Name:
        """Rows of ``table``, which :meth:`scores` uses again."""
        if self._block is None:
            # Laid out for the product, which is the dear one of the two.
            self._tied = self.constant(table.T)
            columns = self.op("Gather", [self._tied, chosen], axis=1)
            return self.op("Transpose", [columns], perm=[1, 2, 0])
        whole, scale = _quantized(table, self._block, self._stepped)
        names = self.constant(whole), self.constant(scale)
        self._tied = *names, table.shape
        bytes_, scales = (self.op("Gather", [name, chosen], axis=0) for name in names)
        middle = self.constant(np.array(_MIDDLE, dtype=np.float32))
        levels = self.op("Sub", [self.op("Cast", [bytes_], to=1), middle])
        last = self.integers(-1)
        scaled = self.op("Mul", [levels, self.op("Unsqueeze", [scales, last])])
        return self.op("Reshape", [scaled, self.integers(0, 0, table.shape[1])])

    def scores(self, value: Name) -> Name:
        """``value`` times the transpose of the table of :meth:`rows`."""
        if self._block is None:
            return self.op("MatMul", [value, self._tied])
        whole, scale, shape = self._tied
        return self._product(value, whole, scale, shape)

    def model(self) -> Any:  # noqa: ANN401
        """The finished graph."""
        from onnx import helper

        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [self._given.get(name, name) for name in names]
        graph = helper.make_graph(
            self._nodes, "streamscribe", self._inputs, self._outputs, self._weights
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIBUTED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _product(
        self,
        value: Name,
        whole: Name,
        scale: Name,
        shape: tuple[int, ...],
        shift: Sequence[Name] = (),
    ) -> Name:
        out, width = shape
        inputs = [value, whole, scale, *(["", "", *shift] if shift else [])]
        return self.op(
            "MatMulNBits", inputs, domain=CONTRIBUTED,
            K=width, N=out, bits=8, block_size=self._block, accuracy_level=_INT8,
        )  # fmt: skip


_MIDDLE: Final = 128
"""The byte that stands for 0."""
_LEVELS: Final = 127


def _quantized(weight: Array, block: int, stepped: bool) -> tuple[Array, Array]:
    """Bytes (out, in / block, block) and scales (out, in / block)."""
    out, width = weight.shape
    assert width % block == 0, f"{width} weights do not make blocks of {block}"
    blocks = weight.reshape(out, width // block, block)
    scale = np.maximum(abs(blocks).max(axis=-1), 1e-12) / _LEVELS
    if stepped:
        step, whole = column_steps(weight.T, _LEVELS)
        scale[whole] = step[whole, np.newaxis]
    levels = np.rint(blocks / scale[..., np.newaxis]) + _MIDDLE
    return levels.astype(np.uint8), scale.astype(np.float32)
