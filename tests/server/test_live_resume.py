"""Connections are cut, and the client gets every message once."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes_live import RunningServer, client, ended_with, rest, running_server
from fakes_resume import Caller
from fakes_server import BREAKS_SESSION, HOP_LEN, SPEECH, ScriptedRecognizer, pcm16
from streamscribe_protocol.messages import (
    AudioFormat,
    Done,
    Endpoint,
    Error,
    Final,
    Flush,
    Flushed,
    Gap,
    Hotwords,
    Partial,
    ServerMessage,
    SpeechStarted,
    Start,
    encode,
)
from streamscribe_server.limits import Limits

SILENCE = pcm16(0.0, HOP_LEN)
WORDS = b"".join(pcm16(loudness / 1_000, HOP_LEN) for loudness in (110, 120, 130, 140, 150))
"""One whole segment and the beginning of another."""
AUDIO = SILENCE * 3 + WORDS + SILENCE
FINALS = ["110 120 130 140", "150 0"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ScriptedRecognizer(), Limits(heartbeat_s=0.05)) as running:
        yield running


@pytest.fixture(scope="module")
def other() -> Iterator[RunningServer]:
    """Another server, that knows nothing of the first one's sessions."""
    with running_server(ScriptedRecognizer()) as running:
        yield running


def is_partial(message: ServerMessage) -> bool:
    return isinstance(message, Partial)


def wait_until_away(server: RunningServer) -> None:
    """Polls; the server learns of a lost connection from its kernel in its own time."""
    for _ in range(1_000):
        if not server.service.connections:
            return
        threading.Event().wait(0.01)
    raise AssertionError("a connection is still open after 10 s")


def in_mid_sentence(server: RunningServer, audio: bytes = AUDIO) -> Caller:
    """A caller in the middle of the first segment, with text of it already."""
    caller = Caller(server.url, audio)
    caller.connect()
    caller.send(len(SILENCE) * 3 + len(SPEECH) * 2)
    caller.read_until(is_partial)
    return caller


def assert_whole(caller: Caller, expected: list[str]) -> None:
    """Segments are announced once, closed once and in order; the rest is in ``Caller``."""
    assert caller.finals == expected
    assert [m.segment for m in caller.of(SpeechStarted)] == list(range(len(expected)))
    assert [m.segment for m in caller.of(Final)] == list(range(len(expected)))
    assert isinstance(caller.told[-1], Done)
    assert caller.close_code == 1000


def test_a_connection_cut_in_mid_sentence_goes_on_as_if_nothing_had_happened(
    server: RunningServer,
) -> None:
    caller = in_mid_sentence(server)
    before = caller.ready
    caller.cut()
    ready = caller.connect()
    assert before is not None
    assert (ready.resumed, ready.resume_reason) == ("continued", None)
    assert (ready.session, ready.resume_token) == (before.session, before.resume_token)
    assert ready.send_from_at == HOP_LEN * 5
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, FINALS)


def test_a_server_that_does_not_know_the_session_goes_on_where_the_client_says(
    server: RunningServer, other: RunningServer
) -> None:
    caller = in_mid_sentence(server)
    caller.cut()
    before = caller.ready
    ready = caller.connect(other.url)
    assert before is not None
    assert (ready.resumed, ready.resume_reason) == ("fresh", "unknown")
    assert ready.resume_token != before.resume_token
    assert ready.send_from_at == caller.acked_at
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, FINALS)


CUTS = st.lists(
    st.tuples(st.integers(0, len(AUDIO)), st.integers(0, 8), st.booleans()), min_size=1, max_size=3
)
"""Bytes sent, messages taken at most, and whether the client goes on at another server."""


@settings(max_examples=25, deadline=None)
@given(cuts=CUTS)
def test_wherever_connections_are_cut_the_client_gets_every_message_once(
    server: RunningServer, other: RunningServer, cuts: list[tuple[int, int, bool]]
) -> None:
    """Cut in the audio, even inside a sample, and in what is sent back; at one server or two."""
    caller = Caller(server.url, AUDIO)
    caller.connect()
    for length, messages, elsewhere in cuts:
        caller.send(length)
        caller.read_what_is_there(messages)
        caller.cut()
        caller.connect(other.url if elsewhere else server.url)
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, FINALS)


def test_a_connection_that_is_half_open_is_taken_over(server: RunningServer) -> None:
    caller = in_mid_sentence(server)
    half_open = caller.connection
    ready = caller.connect()
    assert ready.resumed == "continued"
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, FINALS)
    rest(half_open)
    assert (half_open.close_code, half_open.close_reason) == (4409, "taken_over")


def test_what_was_said_while_nobody_was_there_is_told_on_coming_back() -> None:
    recognizer = ScriptedRecognizer()
    with running_server(recognizer) as server:
        caller = Caller(server.url, AUDIO)
        caller.connect()
        recognizer.gate.clear()
        caller.send(len(SILENCE) * 3 + len(WORDS))
        caller.read_until(lambda message: isinstance(message, SpeechStarted))
        caller.cut()
        wait_until_away(server)
        recognizer.gate.set()
        caller.connect()
        caller.read_until(lambda message: isinstance(message, Final))
        assert caller.finals == FINALS[:1]


def test_a_client_that_broke_after_finish_gets_the_rest_and_done() -> None:
    recognizer = ScriptedRecognizer()
    with running_server(recognizer) as server:
        caller = Caller(server.url, AUDIO)
        caller.connect()
        recognizer.gate.clear()
        caller.send_all()
        caller.cut()
        wait_until_away(server)
        recognizer.gate.set()
        assert caller.connect().resumed == "continued"
        caller.finish()  # a client can't know whether the first one arrived
        caller.read_to_the_end()
        assert_whole(caller, FINALS)


def test_a_done_that_did_not_arrive_is_sent_again(server: RunningServer) -> None:
    caller = Caller(server.url, AUDIO)
    caller.connect()
    caller.send_all()
    caller.read(3)
    deaf = caller.connection
    wait_until_away(server)
    assert caller.connect().resumed == "continued"
    caller.read_to_the_end()
    assert_whole(caller, FINALS)
    deaf.close()


def test_a_sample_that_was_cut_is_not_heard_twice(server: RunningServer) -> None:
    caller = in_mid_sentence(server)
    caller.send(1)
    caller.cut()
    wait_until_away(server)
    assert caller.connect().send_from_at == HOP_LEN * 5
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, FINALS)


def test_a_session_is_kept_so_long_and_then_begun_again() -> None:
    with running_server(ScriptedRecognizer(), Limits(resume_s=0.05)) as server:
        caller = in_mid_sentence(server)
        caller.cut()
        while server.service.sessions.streams:
            threading.Event().wait(0.01)
        ready = caller.connect()
        assert (ready.resumed, ready.resume_reason) == ("fresh", "expired")
        caller.send_all()
        caller.read_to_the_end()
        assert_whole(caller, FINALS)


def test_a_client_that_is_too_far_behind_begins_again_where_it_is() -> None:
    with running_server(ScriptedRecognizer(), Limits(max_kept_messages=2)) as server:
        caller = in_mid_sentence(server)
        everything = Caller(server.url, AUDIO, told=list(caller.told), ready=caller.ready)
        caller.send(len(AUDIO))
        caller.read_until(lambda message: isinstance(message, Final))
        caller.cut()
        ready = everything.connect()
        assert (ready.resumed, ready.resume_reason) == ("fresh", "behind")
        everything.send_all()
        everything.read_to_the_end()
        assert_whole(everything, FINALS)


def test_audio_that_the_client_has_lost_is_a_gap_that_closes_the_open_segment(
    server: RunningServer,
) -> None:
    caller = in_mid_sentence(server)
    said = caller.of(Partial)[-1].text
    acked_at, from_at = caller.acked_at, HOP_LEN * 6
    caller.cut()
    ready = caller.connect(from_at=from_at)
    assert (ready.resumed, ready.resume_reason) == ("fresh", "behind")
    assert ready.send_from_at == from_at
    caller.send_all()
    caller.read_to_the_end()
    assert caller.of(Endpoint)[0].rule == "gap"
    assert caller.finals[0] == said
    (gap,) = caller.of(Gap)
    assert (gap.from_at, gap.to_at) == (acked_at, from_at)
    assert_whole(caller, [said, "140 150 0"])


def test_flushes_and_hotwords_may_be_repeated(server: RunningServer) -> None:
    caller = in_mid_sentence(server)
    caller.connection.send(encode(Flush("a")))
    caller.read_until(lambda message: isinstance(message, Flushed))
    caller.cut()
    caller.connect()
    caller.connection.send(encode(Flush("a")))
    caller.connection.send(encode(Hotwords(("Ada",))))
    caller.send_all()
    caller.read_to_the_end()
    assert [flushed.id for flushed in caller.of(Flushed)] == ["a"]
    assert_whole(caller, ["110 120", "130 140 150 0"])


def test_a_session_that_failed_is_begun_again(server: RunningServer) -> None:
    caller = in_mid_sentence(server)
    caller.connection.send(pcm16(BREAKS_SESSION, 10))
    caller.read_to_the_end()
    error = caller.told[-1]
    assert isinstance(error, Error)
    assert (error.code, caller.close_code) == ("internal", 1011)
    ready = caller.connect()
    assert (ready.resumed, ready.resume_reason) == ("fresh", "unknown")
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, FINALS)


def test_after_a_restart_in_good_order_the_client_goes_on_elsewhere(other: RunningServer) -> None:
    with running_server(ScriptedRecognizer()) as server:
        caller = in_mid_sentence(server)
        server.stop()
        caller.read_to_the_end()
        assert caller.close_code == 1012
        assert caller.finals == ["110 120"]
    assert caller.connect(other.url).resumed == "fresh"
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller, ["110 120", "130 140 150 0"])


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_at_any_rate_audio_lands_where_it_belongs(
    server: RunningServer, other: RunningServer, rate: int
) -> None:
    """Tones of different loudness, half a second each, told apart by when they are heard."""
    hop = np.ones(rate // 2)
    tones = np.concatenate([hop * level for level in (0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0, 0.4, 0.4)])
    audio = (tones * 32_767).astype("<i2").tobytes()
    start = Start(audio=AudioFormat("pcm_s16le", rate, 1))
    uncut = Caller(server.url, audio, start)
    uncut.connect()
    uncut.send_all()
    uncut.read_to_the_end()
    caller = Caller(server.url, audio, start)
    caller.connect()
    caller.send(len(audio) * 9 // 10)
    caller.read_until(lambda message: isinstance(message, Final))
    caller.cut()
    assert caller.connect(other.url).send_from_at == uncut.of(Final)[0].ack_at
    caller.send_all()
    caller.read_to_the_end()
    assert isinstance(caller.told[-1], Done)
    assert isinstance(uncut.told[-1], Done)
    assert abs(caller.told[-1].audio_ms - uncut.told[-1].audio_ms) <= 1
    times = [(final.start_ms, final.end_ms) for final in caller.of(Final)]
    for cut, whole in zip(times, [(f.start_ms, f.end_ms) for f in uncut.of(Final)], strict=True):
        assert cut == pytest.approx(whole, abs=1)
    assert all(before[1] <= after[0] for before, after in zip(times, times[1:], strict=False))


def test_a_session_does_not_go_on_in_another_format(server: RunningServer) -> None:
    caller = in_mid_sentence(server)
    caller.cut()
    changed = Caller(server.url, AUDIO, told=list(caller.told), ready=caller.ready)
    changed.start = replace(caller.start, audio=AudioFormat("pcm_f32le", 16_000, 1))
    with pytest.raises(AssertionError, match="invalid_option"):
        changed.connect()
    assert caller.connect().resumed == "continued"


def test_going_down_ends_what_is_parked_at_once() -> None:
    with running_server(ScriptedRecognizer()) as server:
        in_mid_sentence(server).cut()
        wait_until_away(server)
        server.stop()
        while server.service.sessions.streams:
            threading.Event().wait(0.01)


def test_a_full_server_lets_in_who_comes_back_and_nobody_else() -> None:
    with running_server(ScriptedRecognizer(), Limits(max_sessions=1)) as server:
        caller = in_mid_sentence(server)
        caller.cut()
        wait_until_away(server)
        with client(server) as stranger:
            assert ended_with(stranger) == ("overloaded", 1013)
            assert stranger.close_reason == "retry after 5 s"
        assert caller.connect().resumed == "continued"
