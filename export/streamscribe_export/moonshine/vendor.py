"""Reading the weights out of the vendor's two graphs.

``encoder_model.ort`` and ``decoder_model_merged.ort`` are ONNX Runtime's own format, which ONNX
Runtime itself can write as ONNX. Some generations hold the weights as bytes that products take as
they are, others make floats of them first; some fuse operations, others don't. The names of the
places where the results stand are the same in all, so every weight is found by the place of the
node that uses it, and computed from the constants behind it.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe_export.errors import DamagedCheckpoint, UnsupportedCheckpoint
from streamscribe_export.moonshine.weights import Tensor, Weights

ENCODER: Final = "encoder_model.ort"
DECODER: Final = "decoder_model_merged.ort"
OnnxModel = Any
Array = npt.NDArray[Any]

_PRODUCTS: Final = ("MatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
_ROLES: Final = {
    "self_attn/q_proj": "self_attn.q", "self_attn/k_proj": "self_attn.k",
    "self_attn/v_proj": "self_attn.v", "self_attn/o_proj": "self_attn.o",
    "self_attn/dense": "self_attn.o", "encoder_attn/q_proj": "encoder_attn.q",
    "encoder_attn/k_proj": "encoder_attn.k", "encoder_attn/v_proj": "encoder_attn.v",
    "encoder_attn/o_proj": "encoder_attn.o", "encoder_attn/dense": "encoder_attn.o",
    "mlp/fc1": "mlp.in", "mlp/up_proj": "mlp.in", "mlp/fc2": "mlp.out", "mlp/down_proj": "mlp.out",
}  # fmt: skip
_LAYER: Final = re.compile(r"/layers\.(\d+)/(\w+/\w+)/")
_NAMED: Final = re.compile(
    r"(?:model\.decoder\.)?(?:layers\.(\d+)\.)?(.+?)\.(weight|bias)(?:_merged_0)?"
)


def read_weights(folder: Path) -> Weights:
    """The weights of the vendor's graphs in ``folder``.

    Raises ``DamagedCheckpoint`` for files that can't be read, ``UnsupportedCheckpoint`` for graphs
    of another shape.
    """
    encoder, decoder = (_Reader(read_graph(folder / name)) for name in (ENCODER, DECODER))
    tensors = {
        **{f"encoder.{name}": tensor for name, tensor in _encoder_tensors(encoder).items()},
        **{f"decoder.{name}": tensor for name, tensor in _decoder_tensors(decoder).items()},
    }
    cache = next(one for one in decoder.model.graph.input if one.name.endswith("decoder.key"))
    heads = cache.type.tensor_type.shape.dim[1].dim_value
    weights = Weights(tensors, heads=heads, frequencies=encoder.frequencies())
    _check(weights)
    return weights


def read_graph(file: Path) -> OnnxModel:
    """A ``.ort`` file as an ONNX model, not optimised any further."""
    import onnx
    import onnxruntime as ort

    with TemporaryDirectory() as folder:
        written = Path(folder) / "graph.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.save_model_format", "ONNX")
        options.optimized_model_filepath = str(written)
        options.log_severity_level = 3
        try:
            ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors share no base class
            raise DamagedCheckpoint(f"{file} can't be read by ONNX Runtime: {error}") from error
        return onnx.load(written)


def _encoder_tensors(reader: "_Reader") -> dict[str, Tensor]:
    tensors = reader.layer_tensors()
    for number in (1, 2, 3):
        tensors[f"conv{number}.weight"] = reader.kernel(f"/conv{number}/Conv", number)
    tensors["conv2.bias"] = reader.value("conv2.bias")
    tensors["conv3.bias"] = reader.value("conv3.bias")
    tensors["groupnorm.weight"] = reader.constant_of("/groupnorm/Mul_output_0").ravel()
    tensors["groupnorm.bias"] = reader.constant_of("/groupnorm/Add_output_0").ravel()
    return tensors


def _decoder_tensors(reader: "_Reader") -> dict[str, Tensor]:
    tensors = reader.layer_tensors()
    for name in ("weight_merged_0", "weight_merged_0_add_tensor"):
        if reader.is_constant(f"model.decoder.embed_tokens.{name}"):
            tensors["embed_tokens"] = reader.value(f"model.decoder.embed_tokens.{name}")
    return tensors


class _Reader:
    """One graph with its branches; constants are looked up and computed by name."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model
        branches = [
            attribute.g
            for node in model.graph.node
            for attribute in node.attribute
            if attribute.HasField("g")
        ]
        graphs = [model.graph, *branches]
        self._constants = {one.name: one for graph in graphs for one in graph.initializer}
        self.nodes = [node for graph in graphs for node in graph.node]
        self._source = {output: node for node in self.nodes for output in node.output}

    def value(self, name: str) -> Array:
        """The constant ``name``, in float32 where it was stored as bytes."""
        stored = name.removesuffix("_quantized")
        if self._has_bytes(stored) and (name != stored or name not in self._source):
            return self._dequantized(stored)
        if name in self._constants:
            return self._raw(name)
        node = self._source.get(name)
        known = _FOLDED.get(node.op_type) if node is not None else None
        if node is None or known is None:
            raise UnsupportedCheckpoint(f"{name} of the vendor's graph is not a constant")
        return known(*(self.value(given) for given in node.input))

    def is_constant(self, name: str) -> bool:
        """Whether ``name`` can be computed from constants alone."""
        if name in self._constants or self._has_bytes(name):
            return True
        node = self._source.get(name)
        return (
            node is not None and node.op_type in _FOLDED and all(map(self.is_constant, node.input))
        )

    def layer_tensors(self) -> dict[str, Tensor]:
        """The matrices of all layers, by the place of their product, and what has a name."""
        found: dict[str, Tensor] = {}
        for name in self._constants:
            match = _NAMED.fullmatch(name)
            if match and (match[1] or match[2] in ("norm", "layer_norm")):
                found[_tensor_name(match[1], match[2], match[3])] = self.value(name)
        for node in self.nodes:
            place = _LAYER.search(node.output[0])
            role = _ROLES.get(place[2]) if place else None
            if place and role and node.op_type in _PRODUCTS and self.is_constant(node.input[1]):
                found[f"layers.{place[1]}.{role}.weight"] = self._matrix(node.input[1])
        return found

    def kernel(self, place: str, number: int) -> Tensor:
        """The kernel of a convolution: the ``number``-th of the graph, near ``place``."""
        convolutions = [node for node in self.nodes if node.op_type in ("Conv", "FusedConv")]
        if len(convolutions) != 3:
            raise UnsupportedCheckpoint(f"{len(convolutions)} convolutions ({place}); allowed: 3")
        return self.value(convolutions[number - 1].input[1]).astype(np.float32)

    def constant_of(self, place: str) -> Tensor:
        """The constant that goes into the node whose output is ``place``."""
        if place not in self._source:
            raise UnsupportedCheckpoint(f"the vendor's graph has no {place}")
        names = [name for name in self._source[place].input if self.is_constant(name)]
        return self.value(names[0]).astype(np.float32)

    def frequencies(self) -> Tensor:
        """What positions are multiplied with."""
        nodes = [self._source.get(f"/rotary_emb/{kind}_output_0") for kind in ("Expand", "MatMul")]
        for node in nodes:
            if node is not None and self.is_constant(node.input[0]):
                return self.value(node.input[0]).astype(np.float32).ravel()
        raise UnsupportedCheckpoint("the vendor's encoder has no rotary embedding")

    def _matrix(self, name: str) -> Tensor:
        """(out, in)"""
        return np.ascontiguousarray(self.value(name).astype(np.float32).T)

    def _dequantized(self, name: str) -> Tensor:
        whole, scale, zero = (
            self._raw(f"{name}_{part}") for part in ("quantized", "scale", "zero_point")
        )
        scaled = (whole.astype(np.float32) - zero.astype(np.float32)) * scale
        return scaled.astype(np.float32)

    def _has_bytes(self, name: str) -> bool:
        """Whether ``name`` is stored as bytes whose zero point is a byte, too."""
        zero = self._constants.get(f"{name}_zero_point")
        return zero is not None and zero.data_type in (_UINT8, _INT8)

    def _raw(self, name: str) -> Array:
        from onnx import numpy_helper

        return numpy_helper.to_array(self._constants[name])


_UINT8: Final = 2
_INT8: Final = 3
"""Types of constants, as ONNX numbers them."""
_FOLDED: Final[dict[str, Callable[..., Array]]] = {
    "Cast": lambda value: value.astype(np.float32),
    "Mul": lambda left, right: left * right,
    "Add": lambda left, right: left + right,
    "Transpose": lambda value: value.T,
}
"""What stands between a stored constant and its use."""


def _tensor_name(layer: str | None, place: str, kind: str) -> str:
    place = _ROLES.get(place.replace(".", "/"), place)
    place = {"layer_norm": "norm"}.get(place, place)
    name = f"{place}.{kind}"
    return name if layer is None else f"layers.{layer}.{name}"


def _check(weights: Weights) -> None:
    """Refuse weights that are not all there."""
    width, pairs = weights.width, len(weights.frequencies)
    if not weights.heads or width % weights.heads or 2 * pairs > weights.head_dim:
        raise UnsupportedCheckpoint(f"{width} channels in {weights.heads} heads, {pairs} turned")
    missing = sorted(set(_expected(weights)) - set(weights.tensors))
    if missing:
        raise UnsupportedCheckpoint(
            f"the vendor's graphs lack {len(missing)} weights, the first {missing[0]}"
        )


def _expected(weights: Weights) -> Iterable[str]:
    for side, norms in (
        ("encoder", ("input_layernorm", "post_attention_layernorm")),
        ("decoder", ("input_layernorm", "post_attention_layernorm", "final_layernorm")),
    ):
        attentions = ["self_attn"] if side == "encoder" else ["self_attn", "encoder_attn"]
        yield f"{side}.norm.weight"
        for layer in range(weights.layers(side)):
            name = f"{side}.layers.{layer}"
            yield from (f"{name}.{norm}.weight" for norm in norms)
            yield from (f"{name}.{one}.{part}.weight" for one in attentions for part in "qkvo")
            yield from (f"{name}.mlp.{part}" for part in _MLP)


_MLP: Final = ("in.weight", "in.bias", "out.weight", "out.bias")
