"""From a CTranslate2 folder with Whisper to a bundle that the engine runs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_whisper import (
    FRAMES,
    LAYERS,
    NUMBERS,
    POSITIONS,
    SPECIALS,
    TEXT_TOKENS,
    VOCABULARY_SIZE,
    Floats,
    Variables,
    binary,
    in_bytes,
    in_halves,
    make_ctranslate2,
    make_tokenizer,
    make_whisper,
    run_torch,
    variables_of,
    weights_of,
)
from streamscribe import guards
from streamscribe.bundle import load_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import OptionError
from streamscribe.features import log_mel
from streamscribe.model import DecodeResult, DecodeStep, Samples, StepKind, Wish
from streamscribe.options import CommitBy, Search, SessionOptions, Task
from streamscribe.recognizer import load_model
from streamscribe.seq2seq import Rules
from streamscribe.tokens import decode
from streamscribe_export.checkpoint import TorchModel
from streamscribe_export.errors import (
    CheckpointError,
    DamagedCheckpoint,
    UnknownFamily,
    UnsupportedCheckpoint,
    VocabularyMismatch,
)
from streamscribe_export.signals import babble
from streamscribe_export.whisper import facts
from streamscribe_export.whisper.converting import convert_ctranslate2
from streamscribe_export.whisper.ctranslate2 import (
    is_ctranslate2,
    read_config,
    read_variables,
    read_weights,
)
from streamscribe_export.whisper.graphs import AlignmentHead
from streamscribe_export.whisper.weights import Weights

ABOUT = {
    "name": "tiny-whisper",
    "title": "Whisper, tiny and random",
    "licence": "MIT",
    "source": "https://example.org/whisper",
}
SUPPRESSED = (5, 6)
ENDING = NUMBERS["<|endoftext|>"]
HEARD = babble(40_000, seed=3)
SEARCHES = pytest.mark.parametrize("search", Search)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """With a model this small, threads only wait for each other."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.fixture(autouse=True)
def any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What random heads look at goes back and forth; see ``guards.rewind_start``."""
    monkeypatch.setattr(guards, "REWIND_LEN", 10_000_000)


@pytest.fixture(scope="module")
def model() -> TorchModel:
    return make_whisper()


@pytest.fixture(scope="module")
def weights(model: TorchModel) -> Weights:
    return weights_of(model)


@pytest.fixture(scope="module")
def variables(weights: Weights) -> Variables:
    return variables_of(weights)


@pytest.fixture(scope="module")
def converted(
    variables: Variables, tmp_path_factory: pytest.TempPathFactory
) -> EncoderDecoderModel:
    """A model for several languages, on float32 graphs."""
    folder = tmp_path_factory.mktemp("converted")
    make_ctranslate2(folder / "source", variables, alignment_heads=[[1, 1], [0, 1]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "ENGLISH_ONLY_SIZE", 0)
        convert_ctranslate2(folder / "source", folder / "bundle", ABOUT, "none")
    return loaded(folder / "bundle")


def loaded(folder: Path) -> EncoderDecoderModel:
    found = load_model(load_bundle(folder), threads=1)
    assert isinstance(found, EncoderDecoderModel)
    return found


# --- model.bin


def read(tmp_path: Path, content: bytes) -> Weights:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    return read_weights(path)


def test_weights_are_read_back_under_the_names_of_transformers(
    weights: Weights, variables: Variables, tmp_path: Path
) -> None:
    got = read(tmp_path, binary(variables))
    assert got.heads == weights.heads
    assert got.tensors.keys() == weights.tensors.keys()
    for name, tensor in weights.tensors.items():
        assert got[name].tobytes() == tensor.tobytes(), name


def test_weights_in_16_bits_are_read_back(
    weights: Weights, variables: Variables, tmp_path: Path
) -> None:
    got = read(tmp_path, binary(in_halves(variables)))
    for name, tensor in weights.tensors.items():
        assert got[name].dtype == np.float32
        assert (got[name] == tensor.astype(np.float16)).all(), name


def test_weights_in_8_bits_are_read_back_with_the_scale_of_their_row(
    weights: Weights, variables: Variables, tmp_path: Path
) -> None:
    got = read(tmp_path, binary(in_bytes(variables)))
    for name, tensor in weights.tensors.items():
        level = abs(tensor).max(axis=-1, keepdims=True) / 127
        assert (abs(got[name] - tensor) <= 0.501 * level).all(), name
    assert (got["decoder.embed_tokens.weight"] != weights["decoder.embed_tokens.weight"]).any()


def test_a_scale_may_be_one_for_all_rows(tmp_path: Path, variables: Variables) -> None:
    name = "decoder/layer_0/ffn/linear_0/weight"
    whole = np.rint(variables[name] * 1_000).astype(np.int16)
    scale = {f"{name}_scale": np.array(1_000, dtype=np.float32)}
    got = read(tmp_path, binary(variables | {name: whole} | scale))
    assert abs(got["decoder.layers.0.fc1.weight"] - variables[name]).max() < 6e-4


SMALL: Variables = {
    "a/weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(7, dtype=np.int32),
}


def test_variables_are_read_back_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(binary(SMALL))
    got = read_variables(path)
    assert {name: array.tolist() for name, array in got.items()} == {
        "a/weight": [[0, 1, 2], [3, 4, 5]],
        "b": 7,
    }


PAIR = binary({"a": np.zeros(2, dtype=np.int32)})
NEEDED_BYTES = binary(SMALL).index(b"decoder/projection") - 6
"""What follows are names of variables that are there already."""


@given(length=st.integers(0, NEEDED_BYTES - 1))
def test_a_file_cut_anywhere_is_refused(
    length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.bin"
    path.write_bytes(binary(SMALL)[:length])
    with pytest.raises(DamagedCheckpoint, match=r"cut\.bin (.* is cut short: |can't be read: )"):
        read_variables(path)


def test_a_cut_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    content = binary(SMALL)[:60]
    with pytest.raises(DamagedCheckpoint) as refused:
        read(tmp_path, content)
    assert str(refused.value).startswith(f"{tmp_path / 'model.bin'} (60 bytes) is cut short: 24")
    assert str(refused.value).endswith("fetch it again")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (binary(SMALL, version=4), DamagedCheckpoint, "is of version 4; allowed: 5 to 6"),
        (binary(SMALL, version=7), DamagedCheckpoint, "is of version 7; allowed: 5 to 6"),
        (binary(SMALL, "TransformerSpec"), UnknownFamily, "'TransformerSpec'.*: WhisperSpec"),
        (b"not a model at all", DamagedCheckpoint, "is of version"),
        (
            PAIR.replace(b"\x03\x08\0\0\0", b"\x09\x08\0\0\0"),
            DamagedCheckpoint,
            "a is of type 9; allowed: 0 to 4",
        ),
        (
            PAIR.replace(b"\x01\x02\0\0\0", b"\x01\x03\0\0\0"),
            DamagedCheckpoint,
            r"a has 8 bytes for \[3\]",
        ),
        (binary(SMALL), DamagedCheckpoint, "has no variable 'encoder/conv1/weight'"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    content: bytes, error: type[CheckpointError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "missing", ["decoder/embeddings/weight", "decoder/layer_1/attention/linear_1/bias"]
)
def test_a_variable_that_is_missing_is_named(
    missing: str, variables: Variables, tmp_path: Path
) -> None:
    fewer = {name: array for name, array in variables.items() if name != missing}
    with pytest.raises(DamagedCheckpoint, match=f"has no variable '{missing}'"):
        read(tmp_path, binary(fewer))


# --- the folder


def convert(source: Path, output: Path, quantize: str = "none") -> EncoderDecoderModel:
    convert_ctranslate2(source, output, ABOUT, quantize)
    return loaded(output)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.bin"])
def test_a_file_that_is_missing_is_named(
    missing: str, variables: Variables, tmp_path: Path
) -> None:
    folder = make_ctranslate2(tmp_path / "source", variables)
    assert is_ctranslate2(folder)
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=f"source has no {missing}; a CTranslate2 Whisper"):
        convert(folder, tmp_path / "bundle")
    assert is_ctranslate2(folder) == (missing != "model.bin")


@pytest.mark.parametrize(
    ("file", "content", "error", "message"),
    [
        ("config.json", "{", DamagedCheckpoint, "config.json can't be read"),
        ("config.json", "[]", DamagedCheckpoint, "config.json holds no JSON object"),
        ("config.json", "{}", CheckpointError, "config.json has no field 'suppress_ids'; allowed"),
        ("tokenizer.json", "{", DamagedCheckpoint, "tokenizer.json can't be read as a tokenizer"),
        ("tokenizer.json", "{}", DamagedCheckpoint, "tokenizer.json can't be read as a tokenizer"),
        (
            "tokenizer.json",
            '{"model": {"vocab": {"a": 0}}, "added_tokens": []}',
            VocabularyMismatch,
            r"the tokenizer has no <\|endoftext\|>, <\|startoftranscript\|>, <\|notimestamps\|>",
        ),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_and_leaves_nothing(
    file: str,
    content: str,
    error: type[CheckpointError],
    message: str,
    variables: Variables,
    tmp_path: Path,
) -> None:
    folder = make_ctranslate2(tmp_path / "source", variables)
    (folder / file).write_text(content)
    with pytest.raises(error, match=message):
        convert(folder, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_tokenizer_with_more_tokens_than_the_decoder_is_refused(
    variables: Variables, tmp_path: Path
) -> None:
    name = "decoder/embeddings/weight"
    fewer = variables | {name: variables[name][: TEXT_TOKENS + 5]}
    folder = make_ctranslate2(tmp_path / "source", fewer)
    with pytest.raises(VocabularyMismatch, match="names token 410; the decoder has 405"):
        convert(folder, tmp_path / "bundle")


def test_alignment_heads_that_are_not_there_are_refused(
    variables: Variables, tmp_path: Path
) -> None:
    folder = make_ctranslate2(tmp_path / "source", variables, alignment_heads=[[1, 1], [2, 0]])
    with pytest.raises(UnsupportedCheckpoint, match=r"\(2, 0\)\] are not all in 2 layers of 2"):
        convert(folder, tmp_path / "bundle")


def test_without_known_alignment_heads_those_of_the_upper_layers_are_taken(
    weights: Weights,
) -> None:
    told = facts.Told({token: name for name, token in NUMBERS.items()}, (), (), ())
    heads = facts.read_facts(told, weights).heads
    assert heads == (AlignmentHead(1, 0), AlignmentHead(1, 1))
    assert LAYERS == 2


def test_the_configuration_is_read_as_it_is(variables: Variables, tmp_path: Path) -> None:
    config = read_config(make_ctranslate2(tmp_path, variables, lang_ids=[1, 2]))
    assert config["lang_ids"] == [1, 2]


# --- the bundle


def step(
    samples: Samples = HEARD,
    forced: Sequence[int] = (),
    draft: Sequence[int] = (),
    max_new_tokens: int = 8,
    **wish: Any,  # noqa: ANN401
) -> DecodeStep:
    told = Wish(**wish)
    return DecodeStep(
        samples, tuple(forced), tuple(draft), max_new_tokens, StepKind.FINAL, 0, wish=told
    )


def features_of(found: EncoderDecoderModel, samples: Samples) -> Floats:
    """Of the samples and the silence up to the encoder's last frame."""
    assert found.front_end.mel is not None
    silence = np.zeros(FRAMES * 320 - len(samples), dtype=np.float32)
    return log_mel(np.concatenate((samples, silence)), found.front_end.mel)


def tokens_of(*names: str) -> tuple[int, ...]:
    return tuple(NUMBERS[f"<|{name}|>"] for name in names)


def written_by_transformers(
    model: TorchModel,
    features: Floats,
    start: Sequence[int],
    longest: int = 8,
) -> tuple[int, ...]:
    """Token by token, without what is suppressed."""
    said: list[int] = []
    while len(said) < longest:
        logits, _ = run_torch(model, features, [*start, *said])
        newest = logits[-1].copy()
        newest[[*SUPPRESSED, *range(ENDING + 1, VOCABULARY_SIZE)]] = -np.inf
        if not said:
            newest[[7, ENDING]] = -np.inf
        token = int(newest.argmax())
        if token == ENDING:
            break
        said.append(token)
    return tuple(said)


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_bundle_writes_what_transformers_writes(
    task: Task, language: str, converted: EncoderDecoderModel, model: TorchModel
) -> None:
    got = converted.decode(step(language=language, task=task))
    start = tokens_of("startoftranscript", language, task.value, "notimestamps")
    features = features_of(converted, HEARD)
    assert got.tokens == written_by_transformers(model, features, start)
    assert len(set(got.tokens)) > 2
    assert got.language is None


def test_language_and_task_change_what_is_written(converted: EncoderDecoderModel) -> None:
    texts = {
        converted.decode(step(language=language, task=task)).tokens
        for language in ("en", "fr")
        for task in Task
    }
    assert len(texts) == 4


def test_earlier_text_is_told_before_the_start(
    converted: EncoderDecoderModel, model: TorchModel
) -> None:
    context = (40, 41, 42)
    got = converted.decode(step(language="de", context=context))
    start = tokens_of("startoftranscript", "de", "transcribe", "notimestamps")
    start = (*tokens_of("startofprev"), *context, *start)
    assert got.tokens == written_by_transformers(model, features_of(converted, HEARD), start)


@pytest.mark.parametrize("seed", range(4))
def test_a_language_that_nobody_told_is_the_likeliest(
    seed: int, converted: EncoderDecoderModel, model: TorchModel
) -> None:
    samples = babble(20_000 + 9_000 * seed, seed)
    got = converted.decode(step(samples))
    logits, _ = run_torch(model, features_of(converted, samples), tokens_of("startoftranscript"))
    likeliest = max(("en", "de", "fr"), key=lambda name: logits[-1][NUMBERS[f"<|{name}|>"]])
    assert got.language == likeliest
    assert got.tokens == converted.decode(step(samples, language=likeliest)).tokens


def test_steps_that_share_calls_get_what_they_get_alone(converted: EncoderDecoderModel) -> None:
    steps = [
        step(babble(40_000, 1), language="en"),
        step(babble(9_000, 2)),
        step(HEARD, draft=(50, 60, 70), search=Search.BEAM, language="fr"),
        step(babble(40_000, 4), forced=(50, 60), search=Search.SAMPLE, temperature=0.7),
        step(np.zeros(100, dtype=np.float32)),
    ]
    for wanted, got in zip(steps, converted.run(steps), strict=True):
        assert isinstance(got, DecodeResult)
        alone = converted.decode(wanted)
        assert (got.tokens, got.ended, got.language) == (alone.tokens, alone.ended, alone.language)
        assert got.spoken == alone.spoken
        assert got.log_probs == pytest.approx(alone.log_probs, abs=1e-4)


def test_its_own_text_as_draft_is_confirmed(converted: EncoderDecoderModel) -> None:
    alone = converted.decode(step(language="en"))
    got = converted.decode(step(language="en", draft=alone.tokens))
    assert (got.tokens, got.spoken) == (alone.tokens, alone.spoken)


@SEARCHES
@pytest.mark.parametrize("known", [0, 3, POSITIONS - 5, POSITIONS - 4, POSITIONS])
def test_there_are_no_more_tokens_than_the_decoder_has_positions_for(
    search: Search, known: int, converted: EncoderDecoderModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = replace(converted.facts, rules=Rules(ENDING, suppressed=(ENDING,)))
    monkeypatch.setattr(converted, "facts", endless)
    wanted = step(
        forced=[50] * known, draft=[60] * 50, max_new_tokens=400, language="en",
        search=search, temperature=1.0,
    )  # fmt: skip
    got = converted.decode(wanted)
    assert len(got.tokens) == max(0, POSITIONS - 4 - known)
    assert not got.ended


def test_where_every_token_was_spoken_is_told_in_order(converted: EncoderDecoderModel) -> None:
    got = converted.decode(step(language="en"))
    assert len(got.spoken) == len(got.tokens) > 0
    edges = [edge for one in got.spoken for edge in (one.start_len, one.end_len)]
    assert edges == sorted(edges)
    assert all(0 <= one.attended_len <= len(HEARD) for one in got.spoken)
    assert edges[-1] <= len(HEARD)


def test_a_bundle_states_what_the_model_can_do(converted: EncoderDecoderModel) -> None:
    prompt = converted.facts.prompt
    assert dict(prompt.languages) == {name: NUMBERS[f"<|{name}|>"] for name in ("en", "de", "fr")}
    assert dict(prompt.tasks) == {name: NUMBERS[f"<|{name}|>"] for name in Task}
    assert (prompt.previous, prompt.no_speech) == tokens_of("startofprev", "nospeech")
    assert converted.facts.rules.suppressed == (*SUPPRESSED, *range(ENDING + 1, VOCABULARY_SIZE))
    assert converted.facts.rules.suppressed_first == (7, ENDING)
    assert (converted.facts.positions, converted.facts.alignment_heads) == (POSITIONS, 2)
    assert converted.languages == ("en", "de", "fr")
    assert len(SPECIALS) == VOCABULARY_SIZE - TEXT_TOKENS


def test_options_are_resolved_by_what_the_model_can_do(converted: EncoderDecoderModel) -> None:
    options = SessionOptions(
        window_ms=4_000, language="fr", task=Task.TRANSLATE, search=Search.BEAM,
        commit_by=CommitBy.ALIGNMENT, prompt="The quick brown fox",
    )  # fmt: skip
    assert converted.resolve(options).commit_by is CommitBy.ALIGNMENT
    with pytest.raises(OptionError, match="'window_ms' is 4001; allowed: at most 4000"):
        converted.resolve(SessionOptions(window_ms=4_001))
    with pytest.raises(OptionError, match="'prompt' is .*at most 15 tokens of tiny-whisper"):
        converted.resolve(SessionOptions(window_ms=4_000, prompt="fox " * 16))


@pytest.mark.parametrize("text", ["The quick fox", "sch\u00f6n, \u4f60\u597d \U0001f600"])
def test_tokens_write_what_the_tokenizer_wrote(text: str, converted: EncoderDecoderModel) -> None:
    tokens = make_tokenizer().encode(f" {text}").ids
    assert decode(tokens, converted.tokens) == f" {text}"
    assert converted.prompts.encode(text) == tuple(tokens)


def test_a_special_token_writes_nothing(converted: EncoderDecoderModel) -> None:
    assert decode(NUMBERS.values(), converted.tokens) == ""


@pytest.mark.parametrize("quantize", ["none", "int8", "fp16"])
def test_a_model_for_english_alone_is_asked_for_nothing_else(
    quantize: str, variables: Variables, tmp_path: Path, model: TorchModel
) -> None:
    folder = make_ctranslate2(tmp_path / "source", in_halves(variables))
    found = convert(folder, tmp_path / "bundle", quantize)
    assert (found.languages, dict(found.facts.prompt.languages)) == (("en",), {})
    assert found.resolve(SessionOptions(window_ms=4_000)).task is Task.TRANSCRIBE
    with pytest.raises(OptionError, match="language"):
        found.resolve(SessionOptions(window_ms=4_000, language="de"))
    found.warm_up()
    got = found.decode(step())
    start = tokens_of("startoftranscript", "notimestamps")
    expected = written_by_transformers(model, features_of(found, HEARD), start)
    assert got.tokens[:1] == expected[:1]
    assert quantize == "int8" or got.tokens == expected
    manifest = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert manifest["measured"]["quantize"] == quantize
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == {
        "bundle.json", "encoder.onnx", "decoder.onnx", "tokens.json",
    }  # fmt: skip
