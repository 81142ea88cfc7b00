"""Greedy CTC, frame by frame or all at once, is the same."""

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.ctc import GreedyCollapse, GreedyDecoder, LogProbs, Spike

BLANK = 0
IDS = st.lists(st.integers(0, 3), max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=8)


def frames(ids: list[int]) -> LogProbs:
    """Log-probabilities whose likeliest id is the wanted one, more so the later the frame."""
    logits = np.zeros((len(ids), 4), dtype=np.float32)
    for index, token in enumerate(ids):
        logits[index, token] = 1 + index / 10
    log_probs: LogProbs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return log_probs


def collapse(log_probs: LogProbs, cuts: Sequence[int] = ()) -> list[Spike]:
    collapsing = GreedyCollapse(BLANK)
    edges = [0, *sorted(min(cut, len(log_probs)) for cut in cuts), len(log_probs)]
    spikes = [
        spike
        for start, end in pairwise(edges)
        for spike in collapsing.receive(log_probs[start:end])
    ]
    return spikes + collapsing.finish()


@given(ids=IDS, cuts=CUTS)
def test_any_split_of_the_frames_gives_the_same_tokens(ids: list[int], cuts: list[int]) -> None:
    assert collapse(frames(ids), cuts) == collapse(frames(ids))


@given(ids=IDS)
def test_the_tokens_are_the_runs_that_are_not_blank(ids: list[int]) -> None:
    tokens = [spike.token for spike in collapse(frames(ids))]
    assert tokens == [token for token, _ in groupby(ids) if token != BLANK]


@given(ids=IDS, cuts=CUTS)
def test_each_token_spans_exactly_the_frames_that_say_it(ids: list[int], cuts: list[int]) -> None:
    said = [BLANK] * len(ids)
    for spike in collapse(frames(ids), cuts):
        said[spike.start : spike.end] = [spike.token] * (spike.end - spike.start)
    assert said == ids


@given(ids=IDS, cuts=CUTS)
def test_a_token_is_as_likely_as_its_likeliest_frame(ids: list[int], cuts: list[int]) -> None:
    log_probs = frames(ids)
    for spike in collapse(log_probs, cuts):
        assert spike.log_prob == log_probs[spike.start : spike.end, spike.token].max()


@given(ids=IDS, ahead=IDS)
def test_a_provisional_tail_is_what_would_come_and_changes_nothing(
    ids: list[int], ahead: list[int]
) -> None:
    log_probs = frames(ids + ahead)
    known, later = log_probs[: len(ids)], log_probs[len(ids) :]
    collapsing = GreedyCollapse(BLANK)
    ended = collapsing.receive(known)
    assert ended + collapsing.provisional(later) == collapse(log_probs)
    assert ended + collapsing.finish() == collapse(known)


@given(ids=IDS, cuts=CUTS)
def test_settled_tokens_are_a_prefix_of_every_later_answer(ids: list[int], cuts: list[int]) -> None:
    log_probs = frames(ids)
    decoder = GreedyDecoder(BLANK)
    settled: list[tuple[Spike, ...]] = []
    for start, end in pairwise([0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]):
        decoder.receive(log_probs[start:end])
        settled.append(decoder.spikes[: decoder.settled])
        for promised in settled:
            assert decoder.spikes[: len(promised)] == promised
    assert decoder.finish() == tuple(collapse(log_probs))
    assert decoder.settled == len(decoder.spikes)


@given(ids=IDS, ahead=IDS)
def test_what_a_decoder_expects_is_what_comes(ids: list[int], ahead: list[int]) -> None:
    log_probs = frames(ids + ahead)
    decoder = GreedyDecoder(BLANK)
    decoder.receive(log_probs[: len(ids)])
    before = decoder.spikes
    expected = decoder.provisional(log_probs[len(ids) :])
    assert decoder.spikes == before == decoder.provisional(log_probs[:0])
    decoder.receive(log_probs[len(ids) :])
    assert decoder.spikes == expected == decoder.finish()
