"""What an export refuses: always by name, and with nothing left behind."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_checkpoints import Export, make_model, save_characters, save_extractor
from streamscribe.errors import OptionError
from streamscribe_export import exporting, parity, staging
from streamscribe_export.errors import (
    AudioUnreadable,
    CheckpointError,
    CheckpointUnreachable,
    DamagedCheckpoint,
    DiskFull,
    HeadNotTrained,
    NoCtcHead,
    OutputExists,
    ParityFailed,
    ProcessorMissing,
    UnknownFamily,
    UnsupportedCheckpoint,
    VocabularyMismatch,
)
from streamscribe_export.parity import Bounds


@pytest.fixture
def checkpoint(wav2vec2: Path, tmp_path: Path) -> Path:
    """One that a test may spoil."""
    return Path(shutil.copytree(wav2vec2, tmp_path / "checkpoint"))


def edit(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def nothing_left(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["checkpoint"]


def other_head(folder: Path) -> None:
    edit(folder / "config.json", architectures=["Wav2Vec2ForPreTraining"])


def other_model(folder: Path) -> None:
    edit(folder / "config.json", model_type="vits")


def other_whisper(folder: Path) -> None:
    edit(folder / "config.json", model_type="whisper")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1_000])


def no_extractor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def other_rate(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", sampling_rate=8_000)


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("*"):
        if path.name.startswith(("vocab", "token", "special", "added")):
            path.unlink()


def fewer_tokens(folder: Path) -> None:
    vocabulary = json.loads((folder / "vocab.json").read_text())
    del vocabulary["Z"]
    (folder / "vocab.json").write_text(json.dumps(vocabulary))


def more_tokens(folder: Path) -> None:
    edit(folder / "vocab.json", Ä=32)


REFUSALS: list[tuple[Callable[[Path], None], type[Exception], str]] = [
    (other_head, NoCtcHead, "Wav2Vec2ForPreTraining; allowed: Wav2Vec2ForCTC"),
    (other_model, UnknownFamily, "'vits' is of no known family; known: data2vec-audio, hubert"),
    (other_model, UnknownFamily, "and encoder-decoders: moonshine, .*, whisper"),
    (other_whisper, UnsupportedCheckpoint, "writes no text: .* Wav2Vec2ForCTC; allowed: Whisper"),
    (no_config, CheckpointError, "has no config.json"),
    (no_weights, DamagedCheckpoint, "allowed: model.safetensors or pytorch_model.bin"),
    (cut_short, DamagedCheckpoint, r"model.safetensors \(\d+ bytes\) is cut short"),
    (no_extractor, ProcessorMissing, "has no preprocessor_config.json"),
    (other_rate, UnsupportedCheckpoint, "8000 samples a second; allowed: 16000"),
    (no_tokenizer, ProcessorMissing, "has no tokenizer"),
    (fewer_tokens, VocabularyMismatch, "gives 32 logits, and 1 of them have no token"),
    (more_tokens, VocabularyMismatch, "gives 32 logits, and 1 tokens lie beyond them"),
]


@pytest.mark.parametrize(("spoil", "error", "said"), REFUSALS)
def test_a_checkpoint_that_can_not_be_used_is_refused_by_name(
    spoil: Callable[[Path], None],
    error: type[Exception],
    said: str,
    checkpoint: Path,
    run_export: Export,
) -> None:
    spoil(checkpoint)
    with pytest.raises(error, match=said):
        run_export(checkpoint, checkpoint.parent / "bundle")
    assert nothing_left(checkpoint.parent)


def test_a_head_that_was_never_trained_is_refused(tmp_path: Path, run_export: Export) -> None:
    model = make_model("wav2vec2")
    folder = tmp_path / "checkpoint"
    model.wav2vec2.save_pretrained(folder)
    edit(folder / "config.json", architectures=["Wav2Vec2ForCTC"])
    save_extractor("wav2vec2", folder)
    save_characters(folder)
    with pytest.raises(HeadNotTrained, match=r"would be random: lm_head\.bias, lm_head\.weight"):
        run_export(folder, tmp_path / "bundle")
    assert nothing_left(tmp_path)


def test_what_is_there_already_is_kept_without_force(wav2vec2: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(OutputExists, match="--force"):
        staging.check_output(tmp_path, force=False)
    staging.check_output(tmp_path, force=True)


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputExists, match="is no bundle"):
        staging.check_output(tmp_path, force=True)


def test_force_replaces_a_bundle_and_a_failed_export_keeps_the_old(
    wav2vec2: Path, tmp_path: Path, run_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text("old")
    with monkeypatch.context() as strict:
        strict.setitem(parity.BOUNDS, "none", Bounds(difference=0.0, agreement=1.0))
        with pytest.raises(ParityFailed, match="differ by up to"):
            run_export(wav2vec2, bundle, force=True)
    assert (bundle / "bundle.json").read_text() == "old"
    run_export(wav2vec2, bundle, force=True)
    assert sorted(path.name for path in bundle.iterdir()) == [
        "bundle.json", "encoder.onnx", "tokens.json",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_disk_that_is_full_is_said_and_nothing_is_left(
    wav2vec2: Path, tmp_path: Path, run_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "write_tokens", full)
    with pytest.raises(DiskFull, match="no room for the bundle"):
        run_export(wav2vec2, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_disk_with_too_little_room_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFull, match="may need"),
        staging.staged(tmp_path / "bundle", force=False, weight_bytes=10**18),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_int8_that_agrees_too_rarely_is_refused(
    wav2vec2: Path, tmp_path: Path, run_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(parity.BOUNDS, "int8", Bounds(float("inf"), agreement=1.01))
    with pytest.raises(ParityFailed, match="likeliest token is the same in"):
        run_export(wav2vec2, tmp_path / "bundle", quantize="int8")
    assert not list(tmp_path.iterdir())


def test_neither_a_folder_nor_a_hub_that_answers(
    tmp_path: Path, run_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointUnreachable) as refused:
        run_export(Path("somebody/some-model"), tmp_path / "bundle")
    for said in ("somebody/some-model", constants.ENDPOINT, "HF_HUB_OFFLINE) on", "hf download"):
        assert said in str(refused.value)


@pytest.mark.parametrize("asked", ["no/such/folder", "a checkpoint", "../elsewhere"])
def test_what_can_be_no_hub_id_is_not_looked_up(
    asked: str, tmp_path: Path, run_export: Export
) -> None:
    with pytest.raises(CheckpointUnreachable, match="it is no hub id"):
        run_export(Path(asked), tmp_path / "bundle")


def test_a_recording_that_is_none_is_refused_before_the_weights_are_read(
    wav2vec2: Path, tmp_path: Path, run_export: Export
) -> None:
    with pytest.raises(AudioUnreadable, match=r"config\.json can't be read as audio"):
        run_export(wav2vec2, tmp_path / "bundle", verify=wav2vec2 / "config.json")


def test_a_name_that_no_bundle_may_have_is_refused(
    wav2vec2: Path, tmp_path: Path, run_export: Export
) -> None:
    with pytest.raises(OptionError, match="option 'name' is 'My Model'"):
        run_export(wav2vec2, tmp_path / "bundle", name="My Model")
