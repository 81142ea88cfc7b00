"""Greedy CTC, frame by frame or all at once, is the same."""

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.ctc import GreedyCollapse, GreedyDecoder, Spike
from streamscribe.hotwords import Hotwords
from streamscribe.model import LogProbs
from streamscribe.tokens import ByteTokenTable

BLANK = 0
IDS = st.lists(st.integers(0, 3), max_size=40)
HOTWORDS = Hotwords(["ab", "a b", "ba a", "b"], ByteTokenTable([b"", b" ", b"a", b"b"]), 4)
MAYBE_HOTWORDS = st.sampled_from([None, HOTWORDS])
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


@st.composite
def unsure(draw: st.DrawFn) -> LogProbs:
    """Frames of which many are nearly undecided."""
    logits = np.random.default_rng(draw(st.integers(0, 10**6))).normal(
        size=(draw(st.integers(0, 40)), 4), scale=draw(st.sampled_from([0.5, 2.0, 5.0]))
    )
    log_probs: LogProbs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return log_probs.astype(np.float32)


def decoded(log_probs: LogProbs, hotwords: Hotwords | None) -> tuple[Spike, ...]:
    decoder = GreedyDecoder(BLANK, hotwords=hotwords)
    decoder.receive(log_probs)
    return decoder.finish()


@given(log_probs=unsure())
def test_without_hotwords_a_decoder_collapses(log_probs: LogProbs) -> None:
    assert decoded(log_probs, None) == tuple(collapse(log_probs))


@given(log_probs=unsure(), cuts=CUTS, hotwords=MAYBE_HOTWORDS)
def test_any_split_gives_a_decoder_the_same_tokens(
    log_probs: LogProbs, cuts: list[int], hotwords: Hotwords | None
) -> None:
    decoder = GreedyDecoder(BLANK, hotwords=hotwords)
    edges = [0, *sorted(min(cut, len(log_probs)) for cut in cuts), len(log_probs)]
    for start, end in pairwise(edges):
        decoder.receive(log_probs[start:end])
    assert decoder.finish() == decoded(log_probs, hotwords)


@given(log_probs=unsure(), hotwords=MAYBE_HOTWORDS)
def test_settled_tokens_are_a_prefix_of_every_later_answer(
    log_probs: LogProbs, hotwords: Hotwords | None
) -> None:
    decoder = GreedyDecoder(BLANK, hotwords=hotwords)
    promised: tuple[Spike, ...] = ()
    for frame in range(len(log_probs)):
        decoder.receive(log_probs[frame : frame + 1])
        assert decoder.settled >= len(promised)
        assert decoder.spikes[: len(promised)] == promised
        promised = decoder.spikes[: decoder.settled]
    final = decoder.finish()
    assert final[: len(promised)] == promised
    assert decoder.settled == len(decoder.spikes) == len(final)


@given(log_probs=unsure(), cut=st.integers(0, 40), hotwords=MAYBE_HOTWORDS)
def test_what_a_decoder_expects_is_what_comes_and_changes_nothing(
    log_probs: LogProbs, cut: int, hotwords: Hotwords | None
) -> None:
    decoder = GreedyDecoder(BLANK, hotwords=hotwords)
    decoder.receive(log_probs[:cut])
    before = decoder.spikes
    assert decoder.provisional(log_probs[cut:]) == decoded(log_probs, hotwords)
    assert decoder.spikes == before == decoder.provisional(log_probs[:0])
    assert before == decoded(log_probs[:cut], hotwords)
    decoder.receive(log_probs[cut:])
    assert decoder.finish() == decoded(log_probs, hotwords)


@given(log_probs=unsure(), swap=st.integers(0, 40), cuts=CUTS)
def test_hotwords_that_change_at_a_frame_change_there_however_it_is_split(
    log_probs: LogProbs, swap: int, cuts: list[int]
) -> None:
    swap = min(swap, len(log_probs))
    answers: list[tuple[Spike, ...]] = []
    for wanted in ([], cuts):
        decoder = GreedyDecoder(BLANK, hotwords=HOTWORDS)
        edges = sorted({0, swap, len(log_probs), *(min(cut, len(log_probs)) for cut in wanted)})
        for start, end in pairwise([*edges, len(log_probs)]):
            if start == swap:
                decoder.hotwords = None
                decoder.hotwords = HOTWORDS
            decoder.receive(log_probs[start:end])
        answers.append(decoder.finish())
    assert answers[0] == answers[1]


@given(log_probs=unsure())
def test_hotwords_give_tokens_in_order_that_are_as_likely_as_their_frames(
    log_probs: LogProbs,
) -> None:
    spikes = decoded(log_probs, HOTWORDS)
    edges = [edge for spike in spikes for edge in (spike.start, spike.end)]
    assert edges == sorted(edges)
    for spike in spikes:
        assert spike.log_prob == log_probs[spike.start : spike.end, spike.token].max()
