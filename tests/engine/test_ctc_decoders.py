"""Decoders against the forced alignment of what was said: the same words, when, how sure."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from streamscribe.alignment import Lattice, align, align_lattice
from streamscribe.beam import BeamDecoder
from streamscribe.ctc import CtcDecoder, GreedyDecoder, Spike
from streamscribe.hotwords import Hotwords
from streamscribe.model import LogProbs
from streamscribe.stability import word_starts
from streamscribe.tokens import ByteTokenTable

PIECES = [b"<b>", b" ", *(bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz")]
TABLE = ByteTokenTable(PIECES)
BLANK = 0
TEXT = "all summer the committee kept three bees"

DECODERS: dict[str, Callable[[], CtcDecoder]] = {
    "greedy": lambda: GreedyDecoder(BLANK),
    "greedy with hotwords": lambda: GreedyDecoder(
        BLANK, hotwords=Hotwords(["committee", "three bees"], TABLE, len(PIECES))
    ),
    "beam": lambda: BeamDecoder(TABLE, BLANK),
}


def tokens_of(text: str) -> list[int]:
    return [PIECES.index(letter.encode()) for letter in text]


def spoken(text: str, seed: int) -> LogProbs:
    """Peaky frames as a trained model gives: a token's frame or two, and blanks around."""
    rng = np.random.default_rng(seed)
    said: list[int] = []
    for token in tokens_of(text):
        said += [BLANK] * rng.integers(1, 4) + [token] * rng.integers(1, 3)
    said.append(BLANK)
    logits = rng.normal(size=(len(said), len(PIECES)))
    logits[np.arange(len(said)), said] += rng.uniform(7, 12, len(said))
    log_probs: LogProbs = logits.astype(np.float32)
    log_probs -= np.log(np.exp(log_probs).sum(axis=-1, keepdims=True))
    return log_probs


def spikes_of(said: npt.NDArray[np.int64], log_probs: LogProbs) -> list[Spike]:
    """Spikes of a path: its runs that are not blank."""
    spikes: list[Spike] = []
    frame = 0
    for token, run in itertools.groupby(said.tolist()):
        end = frame + len(list(run))
        if token != BLANK:
            spikes.append(Spike(token, frame, end, float(log_probs[frame:end, token].max())))
        frame = end
    return spikes


def words(spikes: list[Spike]) -> list[tuple[str, int, int, float]]:
    """Each word's text, first and last frame, and confidence: a geometric mean."""
    starts = word_starts([spike.token for spike in spikes], TABLE)
    found: list[tuple[str, int, int, float]] = []
    for first, last in itertools.pairwise([*starts, len(spikes)]):
        letters = [spike for spike in spikes[first:last] if PIECES[spike.token] != b" "]
        text = b"".join(PIECES[spike.token] for spike in letters).decode()
        mean = sum(spike.log_prob for spike in letters) / len(letters)
        found.append((text, letters[0].start, letters[-1].end, math.exp(mean)))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", DECODERS)
def test_words_are_when_and_as_sure_as_the_forced_alignment_says(name: str, seed: int) -> None:
    log_probs = spoken(TEXT, seed)
    decoder = DECODERS[name]()
    decoder.receive(log_probs)
    said = align(log_probs, tokens_of(TEXT), BLANK)
    assert said is not None
    expected = words(spikes_of(said, log_probs))
    assert " ".join(word[0] for word in expected) == TEXT
    got = words(list(decoder.finish()))
    assert [word[0] for word in got] == TEXT.split()
    for ours, aligned in zip(got, expected, strict=True):
        assert abs(ours[1] - aligned[1]) <= 1
        assert abs(ours[2] - aligned[2]) <= 1
        assert ours[3] == pytest.approx(aligned[3], abs=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_an_alignment_is_the_likeliest_of_all_paths_that_say_the_tokens(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(3), size=6)).astype(np.float32)
    tokens = [1, 1, 2]
    paths = {
        path: sum(float(row[token]) for row, token in zip(log_probs, path, strict=True))
        for path in itertools.product(range(3), repeat=6)
        if [token for token, _ in itertools.groupby(path) if token] == tokens
    }
    said = align(log_probs, tokens, BLANK)
    assert said is not None
    assert paths[tuple(said.tolist())] == pytest.approx(max(paths.values()))


def test_too_few_frames_can_not_be_aligned() -> None:
    log_probs = np.log(np.full((3, 3), 1 / 3, dtype=np.float32))
    assert align(log_probs, [1, 1], BLANK) is not None
    assert align(log_probs[:2], [1, 1], BLANK) is None


def aligned(path: npt.NDArray[np.int64] | None) -> list[int] | None:
    return None if path is None else path.tolist()


def test_of_several_spellings_the_likeliest_is_aligned() -> None:
    log_probs = np.log(np.array([[0.1, 0.8, 0.05, 0.05], [0.1, 0.2, 0.1, 0.6]], dtype=np.float32))
    lattice = Lattice.of([(1, [0]), (2, [1]), (3, [1])], ends=[2, 3])
    assert aligned(align_lattice(log_probs, lattice, BLANK)) == [1, 3]
    assert aligned(align_lattice(log_probs, lattice, BLANK, said=[1])) == [1, 3]
    assert align_lattice(log_probs[1:], lattice, BLANK) is None
    assert aligned(align_lattice(log_probs[1:], lattice, BLANK, said=[1])) == [3]
