"""CTranslate2 folders with a Whisper model: ``model.bin``, ``config.json``, ``tokenizer.json``.

``model.bin``, little endian::

    u32 version (6)   text: specification   u32 revision
    u32 count         count x [text: name  u8 rank  rank x u32: shape  u8 type  u32: bytes  data]
    u32 count         count x [text: alias  text: name]

where a text is a u16 length, its closing zero included, and the bytes. A matrix in 8 or 16 bits
has a variable ``NAME_scale`` beside it: what its rows were multiplied by.
"""

import json
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe_export.errors import CheckpointError, DamagedCheckpoint, UnknownFamily
from streamscribe_export.whisper.weights import Tensor, Weights

BINARY: Final = "model.bin"
NEEDED: Final = (BINARY, "config.json", "tokenizer.json")
SPECIFICATION: Final = "WhisperSpec"
VERSIONS: Final = range(5, 7)
_TYPES: Final = {
    0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16,
}  # fmt: skip
_FUSED: Final = {3: "qkv", 2: "kv"}
"""Projections that lie in one matrix, one below the other."""
_HEAD_DIM: Final = 64


def is_ctranslate2(folder: Path) -> bool:
    """Whether ``folder`` holds such a model rather than a checkpoint of transformers."""
    return (folder / BINARY).is_file()


def read_config(folder: Path) -> dict[str, Any]:
    """The content of ``config.json``. Raises ``CheckpointError`` where a file is missing."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} has no {', '.join(missing)}; a CTranslate2 Whisper model has"
            f" {', '.join(NEEDED)}"
        )
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"{path} can't be read: {error}") from error
    if not isinstance(config, dict):
        raise DamagedCheckpoint(f"{path} holds no JSON object")
    return config


def read_weights(path: Path) -> Weights:
    """The weights in a ``model.bin``, named as transformers names them.

    Raises ``DamagedCheckpoint`` for a file that is cut short, and ``UnknownFamily`` for another
    model than Whisper.
    """
    variables = read_variables(path)
    try:
        return _named(variables)
    except KeyError as error:
        raise DamagedCheckpoint(f"{path} has no variable {error}") from error


def read_variables(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Every variable of a ``model.bin`` under its own name."""
    reader = _Reader(path)
    version = reader.number("I")
    if version not in VERSIONS:
        raise DamagedCheckpoint(
            f"{path} is of version {version}; allowed: {VERSIONS.start} to {VERSIONS.stop - 1}"
        )
    specification = reader.text()
    if specification != SPECIFICATION:
        raise UnknownFamily(got=specification, known=[SPECIFICATION])
    reader.number("I")
    return dict(reader.variable() for _ in range(reader.number("I")))


class _Reader:
    """Takes one value after the other from a ``model.bin``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._data = np.memmap(path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise DamagedCheckpoint(f"{path} can't be read: {error}") from error
        self._at = 0

    def number(self, code: str) -> int:
        data = self._take(struct.calcsize(f"<{code}"))
        (value,) = struct.unpack(f"<{code}", data.tobytes())
        return int(value)

    def text(self) -> str:
        return self._take(self.number("H"))[:-1].tobytes().decode("utf-8", errors="replace")

    def variable(self) -> tuple[str, npt.NDArray[Any]]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = self.number("B")
        if kind not in _TYPES:
            raise DamagedCheckpoint(
                f"{self._path}: {name} is of type {kind}; allowed: 0 to {len(_TYPES) - 1}"
            )
        data = self._take(self.number("I"))
        dtype = np.dtype(_TYPES[kind]).newbyteorder("<")
        if len(data) != int(np.prod(shape)) * dtype.itemsize:
            raise DamagedCheckpoint(f"{self._path}: {name} has {len(data)} bytes for {shape}")
        return name, np.frombuffer(data, dtype).reshape(shape)

    def _take(self, length: int) -> npt.NDArray[np.uint8]:
        if self._at + length > len(self._data):
            raise DamagedCheckpoint(
                f"{self._path} ({len(self._data)} bytes) is cut short: {length} bytes should"
                f" follow byte {self._at}; fetch it again"
            )
        taken: npt.NDArray[np.uint8] = self._data[self._at : self._at + length]
        self._at += length
        return taken


def _named(variables: dict[str, npt.NDArray[Any]]) -> Weights:
    naming = _Naming(variables)
    for number in (1, 2):
        naming.linear(f"encoder.conv{number}", f"encoder/conv{number}")
    naming.copy("decoder.embed_tokens.weight", "decoder/embeddings/weight")
    for side in ("encoder", "decoder"):
        naming.copy(f"{side}.embed_positions.weight", f"{side}/position_encodings/encodings")
        naming.norm(f"{side}.layer_norm", f"{side}/layer_norm")
        for layer in range(naming.layers(side)):
            naming.layer(f"{side}.layers.{layer}", f"{side}/layer_{layer}", side)
    tensors = naming.tensors
    width = tensors["decoder.embed_tokens.weight"].shape[1]
    return Weights(tensors, heads=width // _HEAD_DIM)


class _Naming:
    """Collects the variables under the names of transformers."""

    def __init__(self, variables: dict[str, npt.NDArray[Any]]) -> None:
        self._variables = variables
        self.tensors: dict[str, Tensor] = {}

    def layers(self, side: str) -> int:
        beginning = f"{side}/layer_"
        found = {
            name.removeprefix(beginning).partition("/")[0]
            for name in self._variables
            if name.startswith(beginning)
        }
        return sum(number.isdigit() for number in found)

    def layer(self, ours: str, theirs: str, side: str) -> None:
        self._fused(f"{ours}.self_attn", f"{theirs}/self_attention/linear_0", 3)
        self.linear(f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
        self.norm(f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
        if side == "decoder":
            self.linear(f"{ours}.encoder_attn.q_proj", f"{theirs}/attention/linear_0")
            self._fused(f"{ours}.encoder_attn", f"{theirs}/attention/linear_1", 2)
            self.linear(f"{ours}.encoder_attn.out_proj", f"{theirs}/attention/linear_2")
            self.norm(f"{ours}.encoder_attn_layer_norm", f"{theirs}/attention/layer_norm")
        self.linear(f"{ours}.fc1", f"{theirs}/ffn/linear_0")
        self.linear(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
        self.norm(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")

    def copy(self, ours: str, theirs: str) -> None:
        self.tensors[ours] = self._tensor(theirs)

    def linear(self, ours: str, theirs: str) -> None:
        self.copy(f"{ours}.weight", f"{theirs}/weight")
        self.copy(f"{ours}.bias", f"{theirs}/bias")

    def norm(self, ours: str, theirs: str) -> None:
        self.copy(f"{ours}.weight", f"{theirs}/gamma")
        self.copy(f"{ours}.bias", f"{theirs}/beta")

    def _fused(self, ours: str, theirs: str, count: int) -> None:
        weights = np.split(self._tensor(f"{theirs}/weight"), count)
        biases = np.split(self._tensor(f"{theirs}/bias"), count)
        for part, weight, bias in zip(_FUSED[count], weights, biases, strict=True):
            self.tensors[f"{ours}.{part}_proj.weight"] = weight
            if part != "k":  # Whisper's keys have none
                self.tensors[f"{ours}.{part}_proj.bias"] = bias

    def _tensor(self, name: str) -> Tensor:
        tensor = self._variables[name].astype(np.float32)
        scale = self._variables.get(f"{name}_scale")
        if scale is None:
            return tensor
        rows = scale.astype(np.float32).reshape(-1, *[1] * (tensor.ndim - 1))
        scaled: Tensor = tensor / rows
        return scaled
