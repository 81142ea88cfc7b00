"""``streamscribe export`` of Whisper, from transformers and from CTranslate2."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_checkpoints import Export
from fakes_seq2seq_saved import make_whisper_checkpoint
from fakes_whisper import (
    NUMBERS,
    VOCABULARY_SIZE,
    make_ctranslate2,
    make_whisper,
    variables_of,
    weights_of,
)
from streamscribe.bundle import load_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import OptionError
from streamscribe.features import log_mel
from streamscribe.model import DecodeStep, StepKind, Wish
from streamscribe.options import SessionOptions, Task
from streamscribe.recognizer import load_recognizer, transcribe
from streamscribe_export import command, exporting
from streamscribe_export.checkpoint import load_model, quiet, read_checkpoint
from streamscribe_export.errors import UnsupportedCheckpoint, VocabularyMismatch
from streamscribe_export.report import warnings
from streamscribe_export.signals import babble
from streamscribe_export.whisper import facts

Patch = pytest.MonkeyPatch
WINDOW = babble(64_000, seed=3)
PADDED_LEN = 96_000
START = [NUMBERS[f"<|{name}|>"] for name in ("startoftranscript", "de", "transcribe")]
OPTIONS = SessionOptions(window_ms=4_000)
"""The window of this Whisper is shorter than the usual one."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """With models this small, threads only wait for each other."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.fixture(autouse=True)
def several_languages(monkeypatch: Patch) -> None:
    """By their number of tokens, which here is small."""
    monkeypatch.setattr(facts, "ENGLISH_ONLY_SIZE", VOCABULARY_SIZE - 1)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that no test changes."""
    return make_whisper_checkpoint(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, as CTranslate2 has it."""
    folder = tmp_path_factory.mktemp("converted")
    return make_ctranslate2(folder, variables_of(weights_of(make_whisper())))


def test_a_bundle_writes_what_generate_writes(
    whisper: Path, tmp_path: Path, run_export: Export
) -> None:
    report = run_export(whisper, tmp_path / "bundle")
    assert report.parity.texts == report.parity.windows == 3
    assert report.parity.largest_difference < 1e-3
    assert report.parity.compared_with == "PyTorch, on 30 s each"
    recognizer = load_recognizer(str(tmp_path / "bundle"), threads=1)
    assert recognizer.model.languages == ("en", "de", "fr")
    assert isinstance(recognizer.model, EncoderDecoderModel)
    assert tokens_of(recognizer.model) == tokens_of_transformers(whisper, recognizer.model)
    assert list(transcribe(recognizer, WINDOW, OPTIONS))


@pytest.mark.parametrize("quantize", ["int8", "fp16"])
def test_smaller_bundles_stay_close(
    quantize: str, whisper: Path, tmp_path: Path, run_export: Export
) -> None:
    report = run_export(whisper, tmp_path / "bundle", quantize=quantize)
    assert report.parity.agreement >= 0.9
    assert set(report.speeds[0].median_s) == {"torch", "float32", "bundle"}
    recognizer = load_recognizer(str(tmp_path / "bundle"), threads=1)
    assert list(transcribe(recognizer, WINDOW, OPTIONS))


def test_a_folder_of_ctranslate2_is_compared_with_pytorch_where_that_is_installed(
    converted: Path, tmp_path: Path, run_export: Export
) -> None:
    report = run_export(converted, tmp_path / "bundle", languages=("de",))
    assert (report.parity.texts, report.parity.windows) == (3, 3)
    assert report.parity.compared_with == "PyTorch, on 30 s each"
    assert load_bundle(tmp_path / "bundle").languages == ("de",)
    recognizer = load_recognizer(str(tmp_path / "bundle"), threads=1)
    assert list(transcribe(recognizer, WINDOW, OPTIONS))


@pytest.fixture
def no_torch(monkeypatch: Patch) -> None:
    usual = importlib.util.find_spec

    def find(name: str) -> Any:  # noqa: ANN401
        return None if name in ("torch", "transformers") else usual(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.mark.usefixtures("no_torch")
def test_without_pytorch_int8_is_compared_with_float32(
    converted: Path, tmp_path: Path, run_export: Export
) -> None:
    report = run_export(converted, tmp_path / "bundle", quantize="int8")
    assert report.parity.compared_with == "the float32 graphs, on 30 s each"
    assert report.parity.agreement >= 0.9
    assert set(report.speeds[0].median_s) == {"float32", "bundle"}
    assert any("PyTorch is not installed" in said for said in warnings(report))


@pytest.mark.usefixtures("no_torch")
def test_without_pytorch_float32_is_compared_with_nothing_and_says_so(
    converted: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(exporting, "speech_sample", lambda: None)
    monkeypatch.setattr(exporting, "usable_cores", lambda: 1)
    asked = [str(converted), "-o", str(tmp_path / "bundle")]
    result = CliRunner().invoke(command.export, asked)
    assert result.exception is None, result.output
    output = " ".join(result.output.split())
    assert "compared with" in output and "nothing" in output
    assert "so it was not compared with that" in output
    assert "x torch" not in output


def test_translating_is_asked_of_a_session(
    whisper: Path, tmp_path: Path, run_export: Export
) -> None:
    with pytest.raises(OptionError, match="a session asks a Whisper model for several languages"):
        run_export(whisper, tmp_path / "bundle", task=Task.TRANSLATE)


def other_bands(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", feature_size=128)


def other_activation(folder: Path) -> None:
    edit(folder / "config.json", activation_function="relu")


def no_end(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("<|notimestamps|>", "<|sometimestamps|>"))


REFUSALS: list[tuple[Callable[[Path], None], type[Exception], str]] = [
    (other_bands, UnsupportedCheckpoint, "gives 128 bands, and the encoder takes 80"),
    (other_activation, UnsupportedCheckpoint, "activation_function is 'relu'; allowed: 'gelu'"),
    (no_end, VocabularyMismatch, "has no <.notimestamps.>"),
]


@pytest.mark.parametrize(("spoil", "error", "said"), REFUSALS)
def test_a_checkpoint_that_can_not_be_used_is_refused_by_name(
    spoil: Callable[[Path], None],
    error: type[Exception],
    said: str,
    tmp_path: Path,
    run_export: Export,
) -> None:
    folder = make_whisper_checkpoint(tmp_path / "checkpoint")
    spoil(folder)
    with pytest.raises(error, match=said):
        run_export(folder, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def edit(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def tokens_of(model: EncoderDecoderModel) -> tuple[int, ...]:
    """The engine's, of audio filled up to what the original hears."""
    mel = model.front_end.mel
    assert mel is not None
    heard = log_mel(np.pad(WINDOW, (0, PADDED_LEN - len(WINDOW))), mel)
    step = DecodeStep(WINDOW, (), (), 10, StepKind.FINAL, 0, heard, Wish("de"))
    return model.decode(step).tokens


def tokens_of_transformers(folder: Path, bundle: EncoderDecoderModel) -> tuple[int, ...]:
    """As many as the engine kept, by the checkpoint's own extractor and model."""
    import torch

    model = load_model(read_checkpoint(folder, "here"))
    with quiet(), torch.inference_mode():
        from transformers import AutoFeatureExtractor, GenerationMixin

        load: Any = AutoFeatureExtractor.from_pretrained
        given = load(folder)(WINDOW, sampling_rate=16_000, return_tensors="pt")
        generate: Any = GenerationMixin.generate
        (tokens,) = generate(
            model, given["input_features"],
            decoder_input_ids=torch.tensor([[*START, NUMBERS["<|notimestamps|>"]]]),
            suppress_tokens=list(bundle.facts.rules.suppressed),
            begin_suppress_tokens=list(bundle.facts.rules.suppressed_first),
            do_sample=False, num_beams=1, max_new_tokens=10,
        )  # fmt: skip
    said = tuple(int(token) for token in tokens[4:])
    kept = tokens_of(bundle)
    assert kept
    return said[: len(kept)]
