"""Whisper as graphs of our own: they say what transformers says, however they are asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_whisper import (
    FRAMES,
    HEADS,
    LAYERS,
    MELS,
    POSITIONS,
    VOCABULARY_SIZE,
    WIDTH,
    Floats,
    make_whisper,
    run_torch,
    weights_of,
)
from streamscribe.families import EncoderDecoderFacts, PromptFacts
from streamscribe.onnx_graph import Graph, open_graph, output_names
from streamscribe.passes import Audio, Passes, Row, TokenCache
from streamscribe.seq2seq import Answer, Ask, Rules
from streamscribe_export.checkpoint import TorchModel
from streamscribe_export.drawing import Drawing
from streamscribe_export.graph import save
from streamscribe_export.whisper.graphs import (
    AlignmentHead,
    draw_decoder,
    draw_encoder,
)

ALIGNMENT = (AlignmentHead(0, 1), AlignmentHead(1, 0), AlignmentHead(1, 1))
BLOCK = 32
CLOSE = 1e-3
AS_ALONE = {"float32": 1e-4, "int8": 0.1}
"""Where a sum is rounded otherwise, a value in 8 bits may fall to the next level."""
FACTS = EncoderDecoderFacts(
    PromptFacts((0,), {}, {}, (), None, None), Rules(0), 6.5, LAYERS, HEADS, WIDTH // HEADS,
    POSITIONS, len(ALIGNMENT),
)  # fmt: skip
Said = tuple[Floats, Floats]
"""Logits and attention."""
DRAWINGS = pytest.mark.parametrize("drawn", ["float32", "int8"])


@dataclass(frozen=True, repr=False)
class Drawn:
    """The model of transformers, and graphs of its weights."""

    model: TorchModel
    encoder: Graph
    decoders: dict[str, Passes]

    def hear(self, features: Floats) -> Audio:
        """What the decoder asks of the audio."""
        names = sorted(output_names(self.encoder))
        arrays = self.encoder.run(names, {"input_features": features[np.newaxis]})
        return dict(zip(names, arrays, strict=True))

    def say(
        self, drawn: str, audio: Audio, tokens: Sequence[int], cuts: Sequence[int] = ()
    ) -> Said:
        """Everything that the decoder gives for ``tokens``, in one pass or in several."""
        logits, attention = [], []
        cache: TokenCache | None = None
        edges = [0, *cuts, len(tokens)]
        for start, end in zip(edges, edges[1:], strict=False):
            ask = Ask(tuple(tokens[start:end]), cache)
            (answer,) = self.decoders[drawn].run([Row(audio, ask)])
            assert answer.attention is not None
            cache = answer.cache
            logits.append(answer.logits)
            attention.append(answer.attention)
        return np.concatenate(logits), np.concatenate(attention, axis=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """With a model this small, threads only wait for each other."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("whisper")
    model = make_whisper()
    weights = weights_of(model)
    save(draw_encoder(weights, ALIGNMENT), folder / "encoder.onnx")
    save(draw_decoder(weights, ALIGNMENT), folder / "float32.onnx")
    save(draw_decoder(weights, ALIGNMENT, Drawing(BLOCK)), folder / "int8.onnx")
    decoders = {
        name: Passes(open_graph(folder / f"{name}.onnx", 1), FACTS) for name in ("float32", "int8")
    }
    return Drawn(model, open_graph(folder / "encoder.onnx", 1), decoders)


def noise(frames: int, seed: int = 0) -> Floats:
    """Features for so many frames of the encoder."""
    rng = np.random.default_rng((seed, frames))
    return rng.normal(size=(2 * frames, MELS)).astype(np.float32)


def some_tokens(count: int, seed: int = 0) -> list[int]:
    numbers = np.random.default_rng(seed).integers(0, VOCABULARY_SIZE, count)
    return [int(number) for number in numbers]


def worst(got: Floats, expected: Floats) -> float:
    assert got.shape == expected.shape
    return float(abs(got - expected).max())


@pytest.mark.parametrize("frames", [1, 20, 83, FRAMES])
@pytest.mark.parametrize("cuts", [(), (1,), (3, 4, 9), tuple(range(1, 11))])
def test_logits_are_those_of_transformers_in_passes_of_any_length(
    whisper: Drawn, frames: int, cuts: tuple[int, ...]
) -> None:
    features, tokens = noise(frames), some_tokens(11, seed=frames)
    expected, _ = run_torch(whisper.model, features, tokens)
    assert expected.std() > 0.5
    got, _ = whisper.say("float32", whisper.hear(features), tokens, cuts)
    assert worst(got, expected) < CLOSE


@pytest.mark.parametrize("cuts", [(), (3, 4, 9)])
def test_what_the_alignment_heads_look_at_is_what_it_is_in_transformers(
    whisper: Drawn, cuts: tuple[int, ...]
) -> None:
    features, tokens = noise(83), some_tokens(11)
    _, layers = run_torch(whisper.model, features, tokens)
    expected = np.stack([layers[one.layer][one.head] for one in ALIGNMENT])
    assert expected.max() > 2 * expected.mean()
    _, got = whisper.say("float32", whisper.hear(features), tokens, cuts)
    assert worst(got, expected) < AS_ALONE["float32"]


def test_in_8_bits_it_is_nearly_the_same(whisper: Drawn) -> None:
    features, tokens = noise(83), some_tokens(11)
    expected, _ = run_torch(whisper.model, features, tokens)
    got, _ = whisper.say("int8", whisper.hear(features), tokens)
    assert 1e-3 < worst(got, expected) < 0.15 * expected.std()


@pytest.mark.parametrize("seed", range(4))
def test_in_8_bits_a_token_does_not_depend_on_those_that_share_its_pass(
    whisper: Drawn, seed: int
) -> None:
    audio, tokens = whisper.hear(noise(20, seed)), some_tokens(11, seed)
    (whole, _), (cut, _) = (whisper.say("int8", audio, tokens, at) for at in ((), (1, 5, 6)))
    same = abs(whole - cut).max(axis=-1) < AS_ALONE["float32"]
    assert same.sum() >= 9  # a sum that is rounded otherwise may fall to the next level


def test_an_audio_that_shares_the_encoders_call_is_heard_as_alone(whisper: Drawn) -> None:
    several = np.stack([noise(20, seed) for seed in range(3)])
    names = sorted(output_names(whisper.encoder))
    together = whisper.encoder.run(names, {"input_features": several})
    for at, features in enumerate(several):
        alone = whisper.hear(features)
        for name, array in zip(names, together, strict=True):
            assert worst(array[at : at + 1], alone[name]) < AS_ALONE["float32"]


def test_frames_that_are_an_odd_number_give_one_more_than_half(whisper: Drawn) -> None:
    assert whisper.hear(noise(20)[:-1])["cross_key_0"].shape[2] == 20


# --- what several searches ask for


ROW = st.tuples(st.integers(1, 30), st.integers(0, 6), st.integers(0, 3), st.integers(1, 5))
"""Frames of the audio, tokens that were said, how many of them are taken back, tokens asked."""


def row_of(whisper: Drawn, drawn: str, shape: tuple[int, int, int, int], seed: int) -> Row:
    frames, past, taken_back, count = shape
    audio, tokens = whisper.hear(noise(frames, seed)), some_tokens(past + count, seed)
    if not past:
        return Row(audio, Ask(tuple(tokens)))
    (before,) = whisper.decoders[drawn].run([Row(audio, Ask(tuple(tokens[:past])))])
    kept = past - taken_back if 0 < taken_back < past else None
    return Row(audio, Ask(tuple(tokens[past:]), before.cache, kept))


def worst_of(got: Answer[TokenCache], expected: Answer[TokenCache]) -> float:
    assert got.attention is not None and expected.attention is not None
    pairs = [(got.logits, expected.logits), (got.attention, expected.attention)]
    pairs += zip(got.cache, expected.cache, strict=True)
    return max(worst(one, other) for one, other in pairs)


@DRAWINGS
@settings(max_examples=15)
@given(shapes=st.lists(ROW, min_size=2, max_size=4))
def test_rows_of_a_call_are_answered_as_they_are_alone(
    whisper: Drawn, drawn: str, shapes: list[tuple[int, int, int, int]]
) -> None:
    passes = whisper.decoders[drawn]
    rows = [row_of(whisper, drawn, shape, seed) for seed, shape in enumerate(shapes)]
    together = passes.run(rows)
    passes.forget()
    for row, got in zip(rows, together, strict=True):
        (alone,) = passes.run([row])
        assert worst_of(got, alone) < AS_ALONE[drawn]


@DRAWINGS
def test_a_search_goes_on_from_what_a_call_with_others_gave(whisper: Drawn, drawn: str) -> None:
    passes = whisper.decoders[drawn]
    audios = [whisper.hear(noise(frames)) for frames in (9, 30)]
    tokens = some_tokens(9)
    answers = passes.run(
        [Row(audios[0], Ask(tuple(tokens[:2]))), Row(audios[1], Ask(tuple(tokens[:7])))]
    )
    asks = [Ask(tuple(tokens[2:4]), answers[0].cache), Ask((tokens[7],), answers[1].cache)]
    again = passes.run([Row(*pair) for pair in zip(audios, asks, strict=True)])
    passes.forget()
    for audio, answer, end in zip(audios, again, (4, 8), strict=True):
        expected, _ = whisper.say(drawn, audio, tokens[:end])
        assert worst(answer.logits, expected[-len(answer.logits) :]) < AS_ALONE[drawn]


def test_an_audio_is_never_mistaken_for_one_that_is_gone(whisper: Drawn) -> None:
    """A call that fails leaves behind what it was about; what comes next may lie in its place."""
    passes = whisper.decoders["float32"]
    ask: Ask[TokenCache] = Ask((1, 2))
    others = [whisper.hear(noise(5, seed)) for seed in (3, 4)]
    audios = [whisper.hear(noise(5, seed)) for seed in (1, 2)]
    places = [id(audio) for audio in audios]
    passes.run([Row(audio, ask) for audio in audios])
    del audios
    fresh: list[Audio] = [{} for _ in range(500)]
    by_place = {id(one): one for one in fresh}
    copies = [by_place.get(place, {}) for place in places]
    for copy, other in zip(copies, others, strict=True):
        copy.update(other)
    for copy, got in zip(copies, passes.run([Row(copy, ask) for copy in copies]), strict=True):
        (alone,) = passes.run([Row(copy, ask)])
        assert worst_of(got, alone) < AS_ALONE["float32"]
    passes.forget()
