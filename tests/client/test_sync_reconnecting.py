import threading
from collections.abc import Iterator

import pytest
from websockets.sync.server import ServerConnection

from fakes_breaking_server import Refusal, answer_resume, breaking_server, cut
from fakes_wire_server import answer_start, final, read_to_finish
from streamscribe_client import ConnectionLost, connect, outage
from streamscribe_client.events import Disconnected, Reconnected
from streamscribe_protocol.errors import LocalProtocolError
from streamscribe_protocol.messages import Done, Gap, SpeechStarted, encode

WAIT_S = 20
"""Bound of every wait for another thread; reached only by a test that fails."""


@pytest.fixture(autouse=True)
def _no_sleeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_WAIT_S", 0.0)


def break_in_a_segment(socket: ServerConnection) -> None:
    answer_start(socket)
    socket.recv()
    socket.send(encode(SpeechStarted(2, 0, 0)))
    cut(socket)


def say_what_came(socket: ServerConnection) -> None:
    seq = answer_resume(socket, at=0).last_seq
    audio = read_to_finish(socket)
    socket.send(encode(final(seq + 1, text=audio.decode())))
    socket.send(encode(Done(seq + 2, 0)))


def test_the_caller_sees_one_stream() -> None:
    with (
        breaking_server(break_in_a_segment, say_what_came) as address,
        connect(address) as stream,
    ):
        stream.send(b"abcd")
        assert next(stream) == SpeechStarted(2, 0, 0)
        stream.send(b"ef")
        stream.finish()
        assert list(stream) == [final(3, text="abcdef")]
        assert (stream.reconnects, stream.health) == (1, None)
        assert not stream.connected


def test_a_source_in_the_background_goes_on_through_a_break() -> None:
    broken, back = threading.Event(), threading.Event()

    def microphone() -> Iterator[bytes]:
        yield b"abcd"
        assert broken.wait(WAIT_S)
        yield b"ef"
        assert back.wait(WAIT_S)
        yield b"gh"

    connections = (break_in_a_segment, Refusal(503), say_what_came)
    with (
        breaking_server(*connections) as address,
        connect(address, connection_events=True) as stream,
    ):
        stream.send_soon(microphone())
        events = []
        for event in stream:
            events.append(event)
            if isinstance(event, Disconnected):
                broken.set()
            if isinstance(event, Reconnected):
                back.set()
    assert [type(event) for event in events[1:3]] == [Disconnected, Reconnected]
    assert events[3:] == [final(3, text="abcdefgh")]


def test_audio_that_was_lost_is_told_as_a_gap() -> None:
    def say_what_is_missing(socket: ServerConnection) -> None:
        resume = answer_resume(socket, "fresh")
        socket.send(encode(Gap(resume.last_seq + 1, resume.acked_at, resume.from_at)))
        read_to_finish(socket)
        socket.send(encode(Done(resume.last_seq + 2, 0)))

    with (
        breaking_server(break_in_a_segment, say_what_is_missing) as address,
        connect(address, buffer_s=0.5, rate=8_000) as stream,
    ):
        stream.send(bytes(2 * 8_000))
        assert next(stream) == SpeechStarted(2, 0, 0)
        stream.finish()
        assert list(stream) == [Gap(3, 0, 4_000)]


def test_a_broken_stream_can_be_given_up() -> None:
    with (
        breaking_server(break_in_a_segment, *[Refusal(503, retry_after_s=30)] * 2) as address,
        connect(address) as stream,
    ):
        stream.send(b"abcd")
        assert next(stream) == SpeechStarted(2, 0, 0)


def test_patience_may_be_short() -> None:
    with breaking_server(break_in_a_segment, Refusal(503, retry_after_s=3)) as address:
        lost = pytest.raises(ConnectionLost, match="not resumed within 2 s: .* again in 3 s")
        with connect(address, reconnect_s=2) as stream, lost:
            stream.send(b"abcd")
            list(stream)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"buffer_s": -1}, "buffer_s is -1; allowed: 0 to 86400 seconds"),
        ({"reconnect_s": float("nan")}, "reconnect_s is nan; allowed"),
        ({"overflow": "block"}, "overflow is 'block'; allowed: 'gap' or 'wait'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(
    options: dict[str, float], complaint: str
) -> None:
    with pytest.raises(LocalProtocolError, match=complaint):
        connect("localhost:1", **options)  # type: ignore[arg-type]
