"""A trained head as the files of a bundle: its graph, its tokens and the manifest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from streamscribe_export.ctc_head.encoder import RECEPTIVE_FIELD_LEN, STRIDE_LEN
from streamscribe_export.ctc_head.network import BLANK, PAIR, Head
from streamscribe_export.ctc_head.vocabulary import Vocabulary

HEAD: Final = "head.onnx"
TOKENS: Final = "tokens.json"
MANIFEST: Final = "bundle.json"
OPSET: Final = 17
_END: Final = np.iinfo(np.int64).max
LICENCE: Final = "CC BY-SA 3.0 (head), MIT (encoder)"
"""The strictest of what the shipped head learned from: telephone prompts under CC BY-SA 3.0."""
WITH_HEAD = ", with a CTC head"


def export_head(head: Head, path: Path) -> None:
    """Write the graph: `hidden` (1, frames, 288) to `logits` (1, frames // 2, vocabulary), float32.

    Weights are stored in half precision and widened when the graph is loaded, so that the answers
    don't depend on what a processor does with halves.
    """
    model = helper.make_model(
        _Graph(head).built(),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="streamscribe",
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def write_bundle(
    folder: Path,
    head: Head,
    vocabulary: Vocabulary,
    *,
    encoder_bundle: Path,
    licence: str = LICENCE,
    measured: Mapping[str, object],
) -> None:
    """All files of the bundle ``folder``; the encoder stays where ``encoder_bundle`` has it.

    licence: of the head; by default that of the shipped one. measured: free-form facts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    export_head(head, folder / HEAD)
    vocabulary.write(folder / TOKENS)
    parent = json.loads((encoder_bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest = {
        "schema": 1,
        "name": f"{parent['name'].removesuffix('-ctc')}-ctc",
        "title": parent["title"].split(" (")[0].removesuffix(WITH_HEAD) + WITH_HEAD,
        "family": "ctc",
        "architecture": "moonshine-ctc",
        "task": "transcribe",
        "languages": parent["languages"],
        "licence": licence,
        "source": "docs/models/moonshine-tiny-en-ctc.md",
        "sample_rate": parent["sample_rate"],
        "front_end": {
            "features": "waveform",
            "receptive_field_len": RECEPTIVE_FIELD_LEN + (PAIR - 1) * STRIDE_LEN,
            "stride_len": PAIR * STRIDE_LEN,
            "normalize": False,
        },
        "tokens": {
            "format": "ctc-pieces",
            "vocabulary_size": len(vocabulary.pieces),
            "blank": BLANK,
        },
        "ctc": {"batchable": False},
        "files": {
            "encoder": parent["files"]["encoder"],
            "head": _file(folder / HEAD),
            "tokenizer": _file(folder / TOKENS),
        },
        "wheel": parent["wheel"],
        "measured": dict(measured),
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _file(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {
        "path": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


class _Graph:
    """Writes the operations of a ``Head`` down, one node at a time."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._state = {name: value.detach() for name, value in head.state_dict().items()}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def built(self) -> onnx.GraphProto:
        """The whole graph."""
        hidden = self._norm("norm", "hidden")
        pair = [
            self._slice("first", hidden, 0, -1, step=PAIR),
            self._slice("second", hidden, 1, _END, step=PAIR),
        ]
        x = self._linear("enter", self._node("Concat", pair, axis=2))
        shape = self._head.shape
        for number, (back, ahead) in enumerate(zip(shape.back, shape.ahead, strict=True)):
            if number == len(shape.back) // 2:
                x = self._told(x)
            x = self._block(f"blocks.{number}", x, back, ahead)
        out = self._linear("leave", self._norm("last", x))
        self._node("Identity", [out], name="logits")
        size = self._state["leave.weight"].shape[0]
        return helper.make_graph(
            self._nodes,
            "ctc-head",
            [
                helper.make_tensor_value_info(
                    "hidden", TensorProto.FLOAT, [1, "frames", shape.encoder_width]
                )
            ],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "pairs", size])],
            self._constants,
        )

    def _block(self, name: str, x: str, back: int, ahead: int) -> str:
        normed = self._norm(f"{name}.norm", x)
        pads = self._constant(f"{name}.pads", np.array([0, back, 0, 0, ahead, 0]))
        around = self._node("Pad", [normed, pads])
        near = [
            self._slice(f"{name}.before", around, 0, -back - ahead),
            self._slice(f"{name}.now", around, back, -ahead),
            self._slice(f"{name}.after", around, back + ahead, _END),
        ]
        seen = self._node("Concat", near, axis=2)
        inner = self._node("Relu", [self._linear(f"{name}.convolve", seen)])
        return self._node("Add", [x, self._linear(f"{name}.mix", inner)])

    def _told(self, x: str) -> str:
        phones = self._linear("halfway.1", self._norm("halfway.0", x))
        guess = self._node("Softmax", [phones], axis=-1)
        return self._node("Add", [x, self._linear("told", guess)])

    def _slice(self, name: str, x: str, start: int, end: int, step: int = 1) -> str:
        """Frames of ``x``."""
        bounds = {"start": start, "end": end, "axis": 1, "step": step}
        values = [
            self._constant(f"{name}.{part}", np.array([value])) for part, value in bounds.items()
        ]
        return self._node("Slice", [x, *values])

    def _norm(self, name: str, x: str) -> str:
        parts = [self._weight(f"{name}.weight"), self._weight(f"{name}.bias")]
        return self._node("LayerNormalization", [x, *parts], axis=-1, epsilon=1e-5)

    def _linear(self, name: str, x: str) -> str:
        product = self._node("MatMul", [x, self._weight(f"{name}.weight", transposed=True)])
        return self._node("Add", [product, self._weight(f"{name}.bias")])

    def _weight(self, name: str, *, transposed: bool = False) -> str:
        value = self._state[name].float()
        stored = self._constant(f"{name}.half", (value.T if transposed else value).half().numpy())
        return self._node("Cast", [stored], to=TensorProto.FLOAT)

    def _constant(self, name: str, value: np.ndarray[Any, Any]) -> str:
        array = np.ascontiguousarray(value)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def _node(self, kind: str, inputs: list[str], name: str = "", **attributes: object) -> str:
        output = name or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output


def rounded(head: Head) -> Head:
    """``head`` with the weights that the file has: what is exported and what is measured."""
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(parameter.half().float())
    return head
