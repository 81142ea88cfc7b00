"""Our graphs of the default model against the vendor's, on the vendor's own weights."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
import soundfile

from fakes_moonshine import vendor_in_float
from streamscribe.bundle import load_bundle
from streamscribe.front_blocks import FrontBlocks
from streamscribe.model import Samples
from streamscribe.store import defect
from streamscribe_export.column_steps import column_scales
from streamscribe_export.errors import CheckpointError, DamagedCheckpoint
from streamscribe_export.moonshine import vendor
from streamscribe_export.moonshine.converting import TOKENIZER, convert_moonshine
from streamscribe_export.moonshine.front import draw_front
from streamscribe_export.moonshine.graphs import draw_decoder, draw_encoder
from streamscribe_export.moonshine.weights import Weights

SAMPLE = Path(__file__).parents[2] / "cli/streamscribe_cli/samples/jfk.flac"
ABOUT = {"name": "small", "title": "Small", "licence": "MIT", "source": "https://example.org"}
CLOSE: Final = 2e-3
"""What sums of floats in another order may change in keys and values, which reach 100."""
CLOSE_LOGITS: Final = 1e-3
TOKENS: Final = (1, 1126, 577, 590, 10404)


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the vendor's files lie."""
    try:
        found = distribution("moonshine-voice").locate_file("moonshine_voice/assets/tiny-en")
    except PackageNotFoundError:
        pytest.skip("moonshine-voice is not installed")
    return Path(str(found))


@pytest.fixture(scope="module")
def weights(folder: Path) -> Weights:
    return vendor.read_weights(folder)


@pytest.fixture(scope="module")
def speech() -> Samples:
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    return np.asarray(samples, dtype=np.float32)


def session(model: Any) -> ort.InferenceSession:  # noqa: ANN401
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(graph: ort.InferenceSession, inputs: dict[str, Any]) -> dict[str, npt.NDArray[np.float32]]:
    names = [output.name for output in graph.get_outputs()]
    return dict(zip(names, graph.run(names, inputs), strict=True))


def nothing(graph: ort.InferenceSession, weights: Weights) -> dict[str, Any]:
    """An empty cache for every input that wants one."""
    empty = np.zeros((1, weights.heads, 0, weights.head_dim), dtype=np.float32)
    return {one.name: empty for one in graph.get_inputs() if one.name.startswith("past")}


def difference(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    assert ours.shape == theirs.shape
    return float(abs(ours - theirs).max())


@pytest.mark.parametrize("sample_len", [895, 1_000, 50_001, 100_000])
def test_our_graphs_in_float_give_what_the_vendors_give_in_float(
    sample_len: int, folder: Path, weights: Weights, speech: Samples
) -> None:
    samples = speech[5_000 : 5_000 + sample_len]
    heard = FrontBlocks(session(draw_front(weights)), "drawn").hear(samples)
    batch = {name: array[np.newaxis] for name, array in heard.inputs.items()}
    audio = run(session(draw_encoder(weights)), batch)
    mask = np.ones((1, sample_len), dtype=np.int64)
    encoder = vendor_in_float(folder / vendor.ENCODER)
    hidden = run(encoder, {"input_values": samples[np.newaxis], "attention_mask": mask})
    reference = vendor_in_float(folder / vendor.DECODER)
    theirs = run(reference, {
        "input_ids": np.array([TOKENS]),
        "encoder_hidden_states": hidden["last_hidden_state"],
        "encoder_attention_mask": mask,
        "use_cache_branch": np.array([False]),
        **nothing(reference, weights),
    })  # fmt: skip
    decoder = session(draw_decoder(weights))
    count, frames = len(TOKENS), audio["cross_key_0"].shape[2]
    later = np.arange(count) > np.arange(count)[:, np.newaxis]
    ours = run(decoder, {
        "tokens": np.array([TOKENS]),
        "positions": np.arange(count)[np.newaxis],
        "self_bias": np.where(later, np.float32(-1e9), np.float32(0))[np.newaxis, np.newaxis],
        "cross_bias": np.zeros((1, 1, count, frames), dtype=np.float32),
        **audio,
        **nothing(decoder, weights),
    })  # fmt: skip
    assert difference(ours["logits"], theirs["logits"]) < CLOSE_LOGITS
    for layer in range(weights.layers("decoder")):
        for part in ("key", "value"):
            cross = theirs[f"present.{layer}.encoder.{part}"]
            assert difference(audio[f"cross_{part}_{layer}"], cross) < CLOSE
            said = theirs[f"present.{layer}.decoder.{part}"]
            assert difference(ours[f"{part}_{layer}"], said) < CLOSE


def test_the_weights_of_the_vendors_layers_keep_their_steps(weights: Weights) -> None:
    for name, weight in weights.tensors.items():
        if weight.ndim == 2 and ".layers." in name:
            scale = column_scales(weight.T, 127)
            levels = weight / scale[:, np.newaxis]
            exact = abs(levels - np.rint(levels)).max(axis=1) < 1e-2
            assert exact.mean() > 0.95, name


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_bundle_of_the_vendors_files_is_whole(
    quantize: str, folder: Path, tmp_path: Path
) -> None:
    convert_moonshine(folder, tmp_path / "made", ABOUT, quantize)
    bundle = load_bundle(tmp_path / "made")
    assert defect(bundle) is None
    assert (bundle.name, bundle.architecture) == ("small", "moonshine")
    assert (bundle.front_end.receptive_field_len, bundle.front_end.stride_len) == (895, 384)
    manifest = json.loads((tmp_path / "made/bundle.json").read_text(encoding="utf-8"))
    assert manifest["measured"]["quantize"] == quantize


def test_halves_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="allowed: none, int8"):
        convert_moonshine(folder, tmp_path / "made", ABOUT, "fp16")


@pytest.mark.parametrize("name", [vendor.ENCODER, vendor.DECODER])
def test_a_file_that_was_cut_is_named_and_nothing_is_left(
    name: str, folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for file in (vendor.ENCODER, vendor.DECODER, TOKENIZER):
        content = (folder / file).read_bytes()
        (source / file).write_bytes(content[: len(content) // 2] if file == name else content)
    with pytest.raises(DamagedCheckpoint, match=name):
        convert_moonshine(source, tmp_path / "made", ABOUT, "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
