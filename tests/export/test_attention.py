"""Attention is one operation of the graph where it can be, and the model is as before."""

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from fakes_checkpoints import SMALL, Export, make_checkpoint  # noqa: E402
from streamscribe_export.attention import attention_for_graphs  # noqa: E402
from streamscribe_export.checkpoint import load_model, read_checkpoint  # noqa: E402

ONE_OPERATION = "MultiHeadAttention"


REPLACED = ["wav2vec2", "hubert", "sew", "unispeech", "unispeech-sat", "data2vec-audio"]
PLAIN = ["sew-d", "wavlm", "mctct", "parakeet"]
LAYERS = SMALL["num_hidden_layers"]


@pytest.mark.parametrize(
    ("family", "expected"),
    [(family, LAYERS) for family in REPLACED] + [(family, 0) for family in PLAIN],
)
def test_layers_whose_attention_can_be_replaced_have_one_operation_for_it(
    family: str, expected: int, tmp_path: Path, run_export: Export
) -> None:
    run_export(make_checkpoint(family, tmp_path / "checkpoint"), tmp_path / "bundle")
    nodes = onnx.load(tmp_path / "bundle" / "encoder.onnx").graph.node
    assert sum(node.op_type == ONE_OPERATION for node in nodes) == expected
    assert sum(node.op_type == "Softmax" for node in nodes) == LAYERS - expected


def test_the_model_has_its_own_attention_again(wav2vec2: Path) -> None:
    model = load_model(read_checkpoint(wav2vec2, str(wav2vec2)))
    usual = model.config._attn_implementation
    with attention_for_graphs(model):
        assert model.config._attn_implementation != usual
    assert model.config._attn_implementation == usual
