"""Beam search, frame by frame or all at once, is the same, and keeps what it settled."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamscribe.beam import BeamDecoder
from streamscribe.ctc import Spike
from streamscribe.hotwords import Hotwords
from streamscribe.model import LogProbs
from streamscribe.prefixes import BeamLimits
from streamscribe.tokens import ByteTokenTable

TABLE = ByteTokenTable([b"<b>", b" ", b"a", b"b", b"c"])
HOTWORDS = Hotwords(["abc", "a b", "cab"], TABLE, 5)
CUTS = st.lists(st.integers(0, 60), max_size=8)


@st.composite
def log_probs_of(draw: st.DrawFn) -> LogProbs:
    count = draw(st.integers(0, 60))
    peaky = draw(st.sampled_from([0.5, 2.0, 6.0]))
    logits = np.random.default_rng(draw(st.integers(0, 10**6))).normal(size=(count, 5)) * peaky
    found: LogProbs = (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))).astype(
        np.float32
    )
    return found


def decoder() -> BeamDecoder:
    return BeamDecoder(TABLE, 0, hotwords=HOTWORDS, limits=BeamLimits(width=6, patience=12))


def decoded(log_probs: LogProbs) -> tuple[Spike, ...]:
    whole = decoder()
    whole.receive(log_probs)
    return whole.finish()


@settings(max_examples=60)
@given(log_probs=log_probs_of(), cuts=CUTS)
def test_any_split_of_the_frames_gives_the_same_tokens(
    log_probs: LogProbs, cuts: list[int]
) -> None:
    pieces = decoder()
    for start, end in pairwise([0, *sorted(min(c, len(log_probs)) for c in cuts), len(log_probs)]):
        pieces.receive(log_probs[start:end])
    assert pieces.finish() == decoded(log_probs)


@settings(max_examples=60)
@given(log_probs=log_probs_of())
def test_what_is_settled_is_in_every_later_answer(log_probs: LogProbs) -> None:
    growing = decoder()
    promised: tuple[Spike, ...] = ()
    for frame in range(len(log_probs)):
        growing.receive(log_probs[frame : frame + 1])
        assert growing.settled >= len(promised)
        assert growing.spikes[: len(promised)] == promised
        promised = growing.spikes[: growing.settled]
    final = growing.finish()
    assert final[: len(promised)] == promised
    assert growing.settled == len(final)
    assert growing.spikes == final


@settings(max_examples=60)
@given(log_probs=log_probs_of(), cut=st.integers(0, 60))
def test_what_it_expects_is_what_comes_and_changes_nothing(log_probs: LogProbs, cut: int) -> None:
    growing = decoder()
    growing.receive(log_probs[:cut])
    before = growing.spikes
    assert growing.provisional(log_probs[cut:]) == decoded(log_probs)
    assert (
        growing.spikes == before == growing.provisional(log_probs[:0]) == decoded(log_probs[:cut])
    )
    growing.receive(log_probs[cut:])
    assert growing.finish() == decoded(log_probs)


@settings(max_examples=60)
@given(log_probs=log_probs_of())
def test_tokens_are_in_order_and_never_share_a_frame(log_probs: LogProbs) -> None:
    spikes = decoded(log_probs)
    edges = [edge for spike in spikes for edge in (spike.start, spike.end)]
    assert all(spike.start < spike.end for spike in spikes)
    assert edges == sorted(edges)
    assert not edges or edges[0] >= 0 and edges[-1] <= len(log_probs)
    for spike in spikes:
        assert spike.log_prob == log_probs[spike.start : spike.end, spike.token].max()
