"""Checkpoints with a decoder: the bundle writes what transformers writes, alone and as a stream."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes import ScriptedVad, finals
from fakes_checkpoints import Export
from fakes_seq2seq_saved import (
    KINDS,
    WORDS,
    make_seq2seq_checkpoint,
    save_letters,
    save_words,
)
from streamscribe.bundle import load_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import HashMismatch, OptionError
from streamscribe.families import EncoderDecoderFacts
from streamscribe.model import DecodeStep, Samples, StepKind
from streamscribe.options import SessionOptions, Task
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe
from streamscribe.tokens import decode
from streamscribe_export import graph, seq2seq_parity
from streamscribe_export.checkpoint import load_model, load_tokenizer, quiet, read_checkpoint
from streamscribe_export.errors import (
    HeadNotTrained,
    ParityFailed,
    ProcessorMissing,
    UnsupportedCheckpoint,
    VocabularyMismatch,
)
from streamscribe_export.parity import Bounds
from streamscribe_export.pieces import Vocabulary
from streamscribe_export.report import warnings
from streamscribe_export.seq2seq_export import max_tokens_per_s
from streamscribe_export.seq2seq_families import SEQ2SEQ_FAMILIES
from streamscribe_export.seq2seq_runtimes import BundleWriter
from streamscribe_export.signals import babble

Patch = pytest.MonkeyPatch
COMMON = ("wav2vec2 + bert", "speech_to_text", "moonshine", "speecht5")
MARKED = [pytest.param(kind, marks=() if kind in COMMON else pytest.mark.slow) for kind in KINDS]
WINDOW = babble(32_000, seed=3)
MOST = 20


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """With models this small, threads only wait for each other."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.mark.parametrize("kind", MARKED)
def test_a_bundle_writes_what_generate_writes(
    kind: str, tmp_path: Path, run_export: Export
) -> None:
    folder = make_seq2seq_checkpoint(kind, tmp_path / "checkpoint")
    report = run_export(folder, tmp_path / "bundle")
    assert (report.parity.texts, report.parity.cut) == (3, 0)
    assert report.parity.largest_difference < 1e-3
    recognizer = load_recognizer(str(tmp_path / "bundle"), threads=1)
    assert text_of_bundle(recognizer.model) == text_of_transformers(folder)
    assert list(transcribe(recognizer, np.tile(WINDOW, 2)))


@pytest.mark.parametrize("quantize", ["int8", "fp16"])
def test_smaller_bundles_stay_close(quantize: str, tmp_path: Path, run_export: Export) -> None:
    folder = make_seq2seq_checkpoint("moonshine", tmp_path / "checkpoint")
    report = run_export(folder, tmp_path / "bundle", quantize=quantize)
    assert report.parity.agreement >= 0.95
    assert set(report.speeds[0].median_s) == {"torch", "float32", "bundle"}
    measured = json.loads((tmp_path / "bundle" / "bundle.json").read_text())["measured"]
    assert measured["parity"]["compared_with"] == "PyTorch"
    assert measured["decoder_bytes"] == report.decoder_bytes > 0
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == {
        "bundle.json", "decoder.onnx", "encoder.onnx", "tokens.json",
    }  # fmt: skip


def test_a_final_is_what_generate_writes(tmp_path: Path, run_export: Export) -> None:
    folder = make_seq2seq_checkpoint("speech_to_text", tmp_path / "checkpoint", sureness=6.0)
    run_export(folder, tmp_path / "bundle")
    model = load_recognizer(str(tmp_path / "bundle"), threads=1).model
    recognizer = Recognizer(model, ScriptedVad)
    (final,) = finals(list(transcribe(recognizer, WINDOW, SessionOptions(partials=False))))
    assert final.text == text_of_transformers(folder)
    assert len(final.text.split()) > 1


def test_a_decoder_of_german_on_english_speech_translates(
    tmp_path: Path, run_export: Export
) -> None:
    folder = make_seq2seq_checkpoint("wav2vec2 + bert", tmp_path / "checkpoint")
    run_export(folder, tmp_path / "bundle", task=Task.TRANSLATE, languages=("de",))
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.task, bundle.languages) == ("translate", ("de",))
    recognizer = load_recognizer(str(tmp_path / "bundle"), threads=1)
    assert recognizer.resolve(SessionOptions()).task is Task.TRANSLATE
    with pytest.raises(OptionError, match="translate: what bundle can do"):
        recognizer.resolve(SessionOptions(task=Task.TRANSCRIBE))
    assert list(transcribe(recognizer, WINDOW))


def test_frames_can_not_translate(wav2vec2: Path, tmp_path: Path, run_export: Export) -> None:
    with pytest.raises(OptionError, match="'task' is 'translate'; allowed: transcribe: frames"):
        run_export(wav2vec2, tmp_path / "bundle", task=Task.TRANSLATE)


def test_the_facts_of_decoding_stand_in_the_bundle(tmp_path: Path, run_export: Export) -> None:
    folder = make_seq2seq_checkpoint(
        "wavlm + roberta", tmp_path / "checkpoint", decoder_start_token_id=1,
        suppress_tokens=[9, 7], begin_suppress_tokens=[11],
        num_beams=5, no_repeat_ngram_size=3,
    )  # fmt: skip
    report = run_export(folder, tmp_path / "bundle")
    facts = load_bundle(tmp_path / "bundle").facts
    assert isinstance(facts, EncoderDecoderFacts)
    assert (facts.prompt.start, facts.prompt.alone) == ((1,), True)
    assert (facts.rules.eos, facts.rules.suppressed, facts.rules.suppressed_first) == (
        2, (7, 9), (11,),
    )  # fmt: skip
    assert (facts.layers, facts.heads, facts.head_dim, facts.positions) == (2, 2, 12, 64)
    assert (facts.max_tokens_per_s, facts.alignment_heads) == (12.0, 0)
    assert any("num_beams, no_repeat_ngram_size; a bundle" in said for said in warnings(report))


def test_letters_of_a_sentence_piece_tokenizer(tmp_path: Path, run_export: Export) -> None:
    folder = make_seq2seq_checkpoint("speecht5", tmp_path / "checkpoint")
    for path in folder.glob("*token*"):
        path.unlink()
    count = save_letters(folder)
    resize(folder, count)
    run_export(folder, tmp_path / "bundle")
    facts = load_bundle(tmp_path / "bundle").facts
    assert isinstance(facts, EncoderDecoderFacts)
    assert facts.max_tokens_per_s == 25.0
    model = load_recognizer(str(tmp_path / "bundle"), threads=1).model
    assert text_of_bundle(model) == text_of_transformers(folder)


def test_how_fast_people_can_speak_depends_on_the_pieces() -> None:
    family, words = SEQ2SEQ_FAMILIES["moonshine"], Vocabulary((" the", "re"), None, frozenset())
    assert max_tokens_per_s(family, words, ["en"]) == 6.5
    assert max_tokens_per_s(family, words, ["ja"]) == 12.0
    letters = Vocabulary(("", " ", " a", [0xC3]), None, frozenset())
    assert max_tokens_per_s(SEQ2SEQ_FAMILIES["speecht5"], letters, ["en"]) == 25.0


@pytest.mark.parametrize("quantize", ["none", pytest.param("int8", marks=pytest.mark.slow)])
def test_weights_too_large_for_one_file_lie_beside_it(
    quantize: str, tmp_path: Path, run_export: Export, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(graph, "PROTOBUF_MAX_BYTES", 10_000)
    run_export(
        make_seq2seq_checkpoint("moonshine", tmp_path / "checkpoint"),
        tmp_path / "bundle", quantize=quantize,
    )  # fmt: skip
    model = load_recognizer(str(tmp_path / "bundle"), threads=1).model
    assert text_of_bundle(model)
    weights = tmp_path / "bundle" / "decoder.onnx.weights"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(HashMismatch):
        load_recognizer(str(tmp_path / "bundle"))


# --- what is refused


def fewer_tokens(folder: Path) -> None:
    save_words(folder, WORDS[:-1])


def more_tokens(folder: Path) -> None:
    save_words(folder, [*WORDS, "\u2581more"])


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()


def several_ends(folder: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id=[2, 5])


def other_extractor(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", feature_extractor_type="WhisperFeatureExtractor")


def no_decoder(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = folder / "model.safetensors"
    kept = {name: value for name, value in load_file(weights).items() if "decoder" not in name}
    save_file(kept, weights, metadata={"format": "pt"})


REFUSALS: list[tuple[Callable[[Path], None], type[Exception], str]] = [
    (fewer_tokens, VocabularyMismatch, "gives 60 logits, and 1 of them have no token"),
    (more_tokens, VocabularyMismatch, "gives 60 logits, and 1 tokens lie beyond them"),
    (no_tokenizer, ProcessorMissing, "has no tokenizer"),
    (several_ends, UnsupportedCheckpoint, r"eos_token_id is \[2, 5\]; allowed: one token"),
    (other_extractor, UnsupportedCheckpoint, "has a Whisper.*; allowed: Wav2Vec2FeatureExtractor"),
    (no_decoder, HeadNotTrained, "weights are not in the checkpoint and would be random: .*decod"),
]


@pytest.mark.parametrize(("spoil", "error", "said"), REFUSALS)
def test_a_checkpoint_that_can_not_be_used_is_refused_by_name(
    spoil: Callable[[Path], None],
    error: type[Exception],
    said: str,
    tmp_path: Path,
    run_export: Export,
) -> None:
    folder = make_seq2seq_checkpoint("moonshine", tmp_path / "checkpoint")
    spoil(folder)
    with pytest.raises(error, match=said):
        run_export(folder, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_another_text_than_the_checkpoints_names_the_window_and_both(
    tmp_path: Path, run_export: Export, monkeypatch: Patch
) -> None:
    folder = make_seq2seq_checkpoint("moonshine", tmp_path / "checkpoint")
    right = BundleWriter.decode

    def wrong(writer: BundleWriter, step: DecodeStep) -> Any:  # noqa: ANN401
        found = right(writer, step)
        return type(found)((9, *found.tokens[1:]), found.log_probs, found.ended)

    monkeypatch.setattr(BundleWriter, "decode", wrong)
    with pytest.raises(ParityFailed, match=r"babble \d+: PyTorch writes '.+', the bundle '.+'; in"):
        run_export(folder, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_int8_that_agrees_too_rarely_is_refused(
    tmp_path: Path, run_export: Export, monkeypatch: Patch
) -> None:
    folder = make_seq2seq_checkpoint("moonshine", tmp_path / "checkpoint")
    monkeypatch.setitem(seq2seq_parity.BOUNDS, "int8", Bounds(float("inf"), agreement=1.01))
    with pytest.raises(ParityFailed, match="after the same tokens, .* % of .* tokens are the same"):
        run_export(folder, tmp_path / "bundle", quantize="int8")


def edit(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def resize(folder: Path, count: int) -> None:
    """Give the checkpoint in ``folder`` so many tokens."""
    model = load_model(read_checkpoint(folder, "here"))
    with quiet():
        model.resize_token_embeddings(count)
        model.save_pretrained(folder)


def text_of_bundle(model: Any, samples: Samples = WINDOW) -> str:  # noqa: ANN401
    assert isinstance(model, EncoderDecoderModel)
    found = model.decode(DecodeStep(samples, (), (), MOST, StepKind.FINAL, 0))
    return decode(found.tokens, model.tokens).strip()


def text_of_transformers(folder: Path, samples: Samples = WINDOW) -> str:
    """By the checkpoint's own extractor, model and tokenizer, as its users call them."""
    import torch

    checkpoint = read_checkpoint(folder, "here")
    model, tokenizer = load_model(checkpoint), load_tokenizer(checkpoint)
    with quiet(), torch.inference_mode():
        from transformers import AutoFeatureExtractor

        load: Any = AutoFeatureExtractor.from_pretrained
        given = load(folder)(samples, sampling_rate=16_000, return_tensors="pt")
        heard = next(given[name] for name in given if name.startswith("input_"))
        (tokens,) = model.generate(heard, do_sample=False, num_beams=1, max_new_tokens=MOST)
    return str(tokenizer.decode(tokens, skip_special_tokens=True)).strip()
