"""Encoder-decoders as graphs: what they say is what transformers says, however it is asked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_seq2seq_checkpoints import (  # noqa: E402
    COMMON,
    KINDS,
    VOCABULARY_SIZE,
    WHOLE,
    Floats,
    Graphs,
    family_of,
    make_seq2seq_model,
)
from streamscribe_export import graph  # noqa: E402
from streamscribe_export.checkpoint import quiet  # noqa: E402
from streamscribe_export.errors import UnknownFamily, UnsupportedCheckpoint  # noqa: E402
from streamscribe_export.families import geometry  # noqa: E402
from streamscribe_export.seq2seq_families import (  # noqa: E402
    SEQ2SEQ_FAMILIES,
    detect_seq2seq,
    feature_width,
    read_decoding,
)
from streamscribe_export.seq2seq_tracing import write_seq2seq_graphs  # noqa: E402
from streamscribe_export.signals import babble  # noqa: E402

Traced: TypeAlias = Callable[[str], tuple[Any, Graphs]]

MARKED = [pytest.param(kind, marks=() if kind in COMMON else pytest.mark.slow) for kind in KINDS]
FRAMES = (9, 40, 95)
"""None is what was traced."""
TOKENS = 11
PIECES = ([11], [1] * 11, [7, 4], [1, 7, 3], [9, 1, 1])
CLOSE = 1e-4


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """With models this small, threads only wait for each other."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """The model of a kind with its graphs, made once."""
    made: dict[str, tuple[Any, Graphs]] = {}

    def of(kind: str) -> tuple[Any, Graphs]:
        if kind not in made:
            model = make_seq2seq_model(kind)
            made[kind] = model, Graphs(model, tmp_path_factory.mktemp("graphs"))
        return made[kind]

    return of


@pytest.mark.parametrize("kind", MARKED)
def test_logits_are_those_of_transformers_in_pieces_of_any_length(
    kind: str, traced: Traced
) -> None:
    model, graphs = traced(kind)
    for frames in FRAMES:
        window = heard(model, frames)
        cross = graphs.hear(window)
        tokens = some_tokens(seed=frames)
        expected = logits_of_transformers(model, window, tokens)
        assert abs(expected).max() > 1
        for lengths in PIECES:
            got = graphs.say_in_pieces(tokens, lengths, cross)
            assert abs(got - expected).max() < CLOSE, (frames, lengths)


@pytest.mark.parametrize("kind", MARKED)
def test_greedy_text_is_that_of_generate(kind: str, traced: Traced) -> None:
    model, graphs = traced(kind)
    decoding = read_decoding(graphs.family, model.config, model.generation_config)
    texts = [graphs.greedy(heard(model, frames), decoding) for frames in FRAMES]
    assert texts == [generated(model, heard(model, frames)) for frames in FRAMES]
    assert len({token for text in texts for token in text}) > 2
    assert len({tuple(text) for text in texts}) > 1


@pytest.mark.parametrize("kind", ["wav2vec2 + bart", "speech_to_text"])
def test_forced_and_suppressed_tokens_are_those_of_generate(kind: str, tmp_path: Path) -> None:
    model = make_seq2seq_model(kind)
    graphs = Graphs(model, tmp_path)
    window = heard(model, 40)
    free = generated(model, window)
    model.generation_config.forced_bos_token_id = 7
    model.generation_config.suppress_tokens = sorted({*free[1:]} - {2})[:3]
    model.generation_config.begin_suppress_tokens = [*range(10, 40)]
    decoding = read_decoding(graphs.family, model.config, model.generation_config)
    assert decoding.start == (2, 7)
    text = graphs.greedy(window, decoding)
    assert text == generated(model, window) != free


@pytest.mark.parametrize("kind", COMMON)
def test_a_neighbour_in_the_batch_changes_nothing(kind: str, traced: Traced) -> None:
    model, graphs = traced(kind)
    windows = np.concatenate([heard(model, 40, seed) for seed in range(3)])
    tokens = np.concatenate([some_tokens(seed) for seed in range(3)])
    together = graphs.say_in_pieces(tokens, [8, 3], graphs.hear(windows))
    for at in range(3):
        cross = graphs.hear(windows[at : at + 1])
        alone = graphs.say_in_pieces(tokens[at : at + 1], [8, 3], cross)
        assert abs(together[at] - alone[0]).max() < CLOSE


@pytest.mark.parametrize("kind", MARKED)
def test_the_geometry_gives_the_frames_that_the_decoder_attends_to(
    kind: str, traced: Traced
) -> None:
    model, graphs = traced(kind)
    shape = geometry(graphs.family, model.config, None)
    for frames in (9, 10, 31):
        for length in (shape.samples(frames), shape.samples(frames + 1) - 1):
            cross = graphs.hear(window_of(model, length))
            assert cross["cross_key_0"].shape[2] == frames


@pytest.mark.parametrize("kind", MARKED)
def test_no_graph_has_branches_or_anything_of_the_other(kind: str, traced: Traced) -> None:
    _, graphs = traced(kind)
    encoder, decoder = onnx.load(graphs.encoder_file).graph, onnx.load(graphs.decoder_file).graph
    for half in (encoder, decoder):
        assert not {"If", "Loop", "Scan"} & {node.op_type for node in half.node}
    of_decoder = [weight.name for weight in encoder.initializer if "decoder" in weight.name]
    assert all("encoder_attn" in name or "crossattention" in name for name in of_decoder)
    assert not any("embed_tokens" in node.name for node in encoder.node)
    names = [weight.name for weight in decoder.initializer]
    assert not [name for name in names if "model.encoder" in name or "enc_to_dec" in name]


def test_inputs_and_outputs_are_called_by_their_layer(traced: Traced) -> None:
    _, graphs = traced("moonshine")
    encoder, decoder = onnx.load(graphs.encoder_file).graph, onnx.load(graphs.decoder_file).graph
    pairs = [f"{what}_{layer}" for layer in range(2) for what in ("key", "value")]
    crossing = [f"cross_{name}" for name in pairs]
    assert [given.name for given in encoder.input] == ["input_values"]
    assert [output.name for output in encoder.output] == crossing
    assert {given.name for given in decoder.input} == {
        "tokens", *(f"past_{name}" for name in pairs), *crossing
    }  # fmt: skip
    assert [output.name for output in decoder.output] == ["logits", *pairs]


@pytest.mark.parametrize("kind", COMMON)
def test_as_many_tokens_fit_as_stated(kind: str, traced: Traced) -> None:
    model, graphs = traced(kind)
    decoding = read_decoding(graphs.family, model.config, model.generation_config)
    assert decoding.max_tokens == 64
    tokens = np.full((1, decoding.max_tokens), 9)
    cross = graphs.hear(heard(model, 20))
    assert np.isfinite(graphs.say_in_pieces(tokens, [60, 4], cross)).all()


def test_weights_too_large_for_one_file_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "PROTOBUF_MAX_BYTES", 10_000)
    graphs = Graphs(make_seq2seq_model("moonshine"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "encoder.onnx", "encoder.onnx.weights", "decoder.onnx", "decoder.onnx.weights",
    }  # fmt: skip
    assert graphs.decoder_file.stat().st_size < 200_000


@pytest.mark.parametrize("kind", ["wav2vec2 + bart", "moonshine"])
def test_the_model_has_its_own_attention_again(kind: str, tmp_path: Path) -> None:
    import torch

    model = make_seq2seq_model(kind)
    window, tokens = heard(model, 20), some_tokens(seed=0)
    before = logits_of_transformers(model, window, tokens)
    halves = model.get_encoder(), model.get_decoder()
    usual = [half.config._attn_implementation for half in halves]
    repeat = torch.Tensor.repeat_interleave
    write(model, tmp_path)
    assert [half.config._attn_implementation for half in halves] == usual
    assert torch.Tensor.repeat_interleave is repeat
    assert abs(logits_of_transformers(model, window, tokens) - before).max() < CLOSE


def test_a_model_that_can_not_be_traced_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(*_: Any, **__: Any) -> None:  # noqa: ANN401
        raise RuntimeError("no such operation\nand much more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(UnsupportedCheckpoint, match="as graphs: no such operation$"):
        write(make_seq2seq_model("moonshine"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def write(model: Any, folder: Path) -> None:  # noqa: ANN401
    write_seq2seq_graphs(model, family_of(model), folder / "encoder.onnx", folder / "decoder.onnx")


def test_a_joined_checkpoint_hears_what_its_encoder_hears() -> None:
    assert family_of(make_seq2seq_model("wav2vec2-bert + gpt2")).input_name == "input_features"
    assert family_of(make_seq2seq_model("wavlm + roberta")).input_name == "input_values"
    assert not SEQ2SEQ_FAMILIES["speech-encoder-decoder"].takes_features


def test_other_checkpoints_are_told_apart() -> None:
    assert detect_seq2seq({"model_type": "wav2vec2"}) is None
    assert detect_seq2seq({}) is None
    with pytest.raises(UnsupportedCheckpoint, match="SpeechT5ForTextToSpeech"):
        detect_seq2seq({"model_type": "speecht5", "architectures": ["SpeechT5ForTextToSpeech"]})
    joined: dict[str, Any] = {
        "model_type": "speech-encoder-decoder",
        "architectures": ["SpeechEncoderDecoderModel"],
    }
    with pytest.raises(UnknownFamily, match="vit"):
        detect_seq2seq(joined | {"encoder": {"model_type": "vit"}, "decoder": {}})
    halves = {"encoder": {"model_type": "wav2vec2"}, "decoder": {"model_type": "speech_to_text_2"}}
    with pytest.raises(UnsupportedCheckpoint, match="speech_to_text_2"):
        detect_seq2seq(joined | halves)


def test_the_facts_of_decoding_are_read_from_both_configurations() -> None:
    model = make_seq2seq_model("wav2vec2 + bert")
    family, generation = family_of(model), model.generation_config
    plain = read_decoding(family, model.config, generation)
    assert (plain.start, plain.end, plain.pad, plain.unheeded) == ((2,), (2,), 1, ())
    assert plain.vocabulary_size == VOCABULARY_SIZE
    generation.update(eos_token_id=[2, 5], no_repeat_ngram_size=3, num_beams=5, min_length=4)
    told = read_decoding(family, model.config, generation)
    assert (told.end, told.no_repeat_ngram) == ((2, 5), 3)
    assert told.unheeded == ("num_beams", "min_length")
    generation.decoder_start_token_id = model.config.decoder_start_token_id = None
    assert read_decoding(family, model.config, generation).start == (0,)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_family_is_keyed_by_its_model_type(kind: str) -> None:
    model = make_seq2seq_model(kind)
    assert SEQ2SEQ_FAMILIES[model.config.model_type].model_class == type(model).__name__


def heard(model: Any, frames: int, seed: int = 0) -> Floats:  # noqa: ANN401
    """A window that gives so many frames, and a bit more."""
    length = geometry(family_of(model), model.config, None).samples(frames)
    return window_of(model, length, seed)


def window_of(model: Any, length: int, seed: int = 0) -> Floats:  # noqa: ANN401
    """(1, length), or (1, length, width) of features."""
    if not family_of(model).takes_features:
        return babble(length, seed)[np.newaxis]
    noise = np.random.default_rng(seed + length)
    return noise.normal(size=(1, length, feature_width(model.config))).astype(np.float32)


def some_tokens(seed: int) -> Any:  # noqa: ANN401
    return np.random.default_rng(seed).integers(3, VOCABULARY_SIZE, (1, TOKENS))


def logits_of_transformers(model: Any, window: Floats, tokens: Any) -> Floats:  # noqa: ANN401
    import torch

    with quiet(), torch.no_grad():
        output = model(
            torch.from_numpy(window), decoder_input_ids=torch.from_numpy(tokens), use_cache=False
        )
    logits: Floats = output.logits.numpy()
    return logits


def generated(model: Any, window: Floats) -> list[int]:  # noqa: ANN401
    import torch

    with quiet(), torch.no_grad():
        (tokens,) = model.generate(
            torch.from_numpy(window), do_sample=False, num_beams=1, max_new_tokens=20
        )
    return [int(token) for token in tokens]
