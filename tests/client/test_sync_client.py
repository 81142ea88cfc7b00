import socket as sockets
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from websockets.sync.server import ServerConnection

from fakes_wire_server import (
    READY,
    answer_start,
    final,
    read_to_finish,
    say_how_much_came,
    scripted_server,
)
from streamscribe_client import (
    ConnectionLost,
    Error,
    Final,
    Flushed,
    ProtocolError,
    ServerError,
    connect,
    websocket,
)
from streamscribe_client.dialogue import StreamOptions
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import (
    Ack,
    AudioFormat,
    ClientMessage,
    Done,
    Start,
    decode_client_message,
    encode,
)

WAIT_S = 20
"""Bound of every wait for another thread; reached only by a test that fails."""


def test_audio_goes_up_and_events_come_down() -> None:
    with scripted_server(say_how_much_came) as address, connect(address) as stream:
        stream.send(bytes(200_000))
        flush_id = stream.flush()
        stream.send(b"abc")
        stream.finish()
        assert list(stream) == [Flushed(2, flush_id), final(3, text="200003 bytes")]


def test_what_the_server_said_about_the_session_is_at_hand() -> None:
    with scripted_server(say_how_much_came) as address, connect(f"http://{address}") as stream:
        assert (stream.session, stream.model, stream.options) == ("s-1", "scripted", READY.options)


def test_what_is_said_of_the_speech_goes_up_with_the_start() -> None:
    told: list[ClientMessage | None] = []

    def listen(socket: ServerConnection) -> None:
        told.append(decode_client_message(str(socket.recv())))
        socket.send(encode(READY))
        read_to_finish(socket)
        socket.send(encode(replace(final(2), language="de")))
        socket.send(encode(Done(3, audio_ms=0)))

    options: StreamOptions = {
        "language": "de",
        "task": "translate",
        "prompt": "Ada Lovelace",
        "commit_by": "alignment",
        "latency": "low",
        "search": "beam",
        "beam_size": 3,
        "temperature": 0.5,
    }
    with scripted_server(listen) as address, connect(address, **options) as stream:
        stream.finish()
        assert [event.language for event in stream if isinstance(event, Final)] == ["de"]
    assert told == [Start(audio=AudioFormat("pcm_s16le", 16_000, 1), **options)]  # type: ignore[misc]


def test_an_iterator_is_fed_in_the_background_and_then_finished() -> None:
    with scripted_server(say_how_much_came) as address, connect(address) as stream:
        stream.send_soon(bytes(1_000) for _ in range(5))
        assert [event.text for event in stream if isinstance(event, Final)] == ["5000 bytes"]


def test_iterating_on_after_the_end_gives_nothing() -> None:
    with scripted_server(say_how_much_came) as address, connect(address) as stream:
        stream.finish()
        assert len(list(stream)) == 1
        assert list(stream) == []


def test_the_error_of_a_failing_iterator_reaches_who_iterates() -> None:
    def unplugged() -> Iterator[bytes]:
        yield bytes(100)
        raise OSError("the microphone was unplugged")

    with scripted_server(say_how_much_came) as address, connect(address) as stream:
        stream.send_soon(unplugged())
        with pytest.raises(OSError, match="unplugged"):
            list(stream)


def test_misuse_is_told_at_once_and_the_stream_goes_on() -> None:
    with scripted_server(say_how_much_came) as address, connect(address) as stream:
        stream.finish()
        with pytest.raises(LocalProtocolError, match="can't send audio"):
            stream.send(b"late")
        assert [event.text for event in stream if isinstance(event, Final)] == ["0 bytes"]


def test_a_closed_stream_can_be_closed_again_but_not_used() -> None:
    with scripted_server(say_how_much_came) as address:
        stream = connect(address)
        stream.close()
        stream.close()
        with pytest.raises(LocalProtocolError, match="closed"):
            stream.send(b"late")


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    with scripted_server(say_how_much_came) as address, connect(address) as stream:
        stream.send_soon([b"ab"])
        list(stream)
    left = [thread for thread in set(threading.enumerate()) - before if thread.name[:6] == "stream"]
    for thread in left:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in left)


def test_a_fatal_error_comes_after_all_earlier_events() -> None:
    def fail_later(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(final(2)))
        socket.send(encode(Error(3, "incomplete_sample", "half a sample", fatal=True)))
        socket.close(4415)

    with scripted_server(fail_later) as address, connect(address) as stream:
        assert next(stream) == final(2)
        with pytest.raises(ServerError, match="incomplete_sample: half a sample"):
            next(stream)


def test_an_error_that_is_not_fatal_is_an_event_like_others() -> None:
    def complain(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(Error(2, "finished", "late audio", fatal=False)))
        read_to_finish(socket)
        socket.send(encode(Done(3, 0)))

    with scripted_server(complain) as address, connect(address) as stream:
        stream.finish()
        assert list(stream) == [Error(2, "finished", "late audio", fatal=False)]


def test_a_server_that_vanishes_leaves_the_events_that_came_and_an_error() -> None:
    def vanish(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(final(2)))
        socket.recv()
        socket.socket.shutdown(sockets.SHUT_RDWR)

    with scripted_server(vanish) as address, connect(address, resume=False) as stream:
        stream.send(b"abcd")
        assert next(stream) == final(2)
        with pytest.raises(ConnectionLost, match="no close frame") as caught:
            next(stream)
        assert caught.value.code == 1006
        with pytest.raises(ConnectionLost):
            stream.send(b"more")


def test_a_server_that_goes_down_says_so() -> None:
    def restart(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.close(1012, "deploying")

    lost = pytest.raises(ConnectionLost, match=r"1012 \(restarting\), deploying")
    with scripted_server(restart) as address, connect(address, resume=False) as stream, lost:
        list(stream)


def test_a_server_that_breaks_the_protocol_is_told_so() -> None:
    closed_with: list[int | None] = []

    def stammer(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(Ack(7, at=0)))
        socket.wait_closed(WAIT_S)
        closed_with.append(socket.close_code)

    broken = pytest.raises(RemoteProtocolError, match="expected 2")
    with scripted_server(stammer) as address, connect(address) as stream, broken:
        list(stream)
    assert closed_with == [4400]


def test_events_arrive_while_a_send_is_blocked() -> None:
    all_read = threading.Event()

    def talk_before_listening(socket: ServerConnection) -> None:
        answer_start(socket)
        for seq in range(2, 202):
            socket.send(encode(final(seq)))
        assert all_read.wait(WAIT_S)
        received = read_to_finish(socket)
        socket.send(encode(final(202, text=f"{len(received)} bytes")))
        socket.send(encode(Done(203, 0)))

    audio = bytes(32 << 20)  # far more than all socket buffers hold
    with scripted_server(talk_before_listening) as address, connect(address) as stream:
        sender = threading.Thread(target=stream.send, args=[audio])
        sender.start()
        early = [next(stream) for _ in range(200)]
        assert sender.is_alive()
        all_read.set()
        sender.join(WAIT_S)
        stream.finish()
        late = list(stream)
    assert early == [final(seq) for seq in range(2, 202)]
    assert late == [final(202, text=f"{len(audio)} bytes")]


def test_a_blocked_send_does_not_hold_up_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.05)
    sending, client_gone = threading.Event(), threading.Event()

    def stop_reading(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.recv()
        sending.set()
        client_gone.wait(WAIT_S)
        socket.close_socket()

    failures: list[BaseException] = []

    def send(audio: bytes) -> None:
        try:
            stream.send(audio)
        except (ConnectionError, ProtocolError) as error:
            failures.append(error)

    with scripted_server(stop_reading) as address:
        stream = connect(address)
        sender = threading.Thread(target=send, args=[bytes(32 << 20)])
        sender.start()
        assert sending.wait(WAIT_S)
        sender.join(0.3)  # until all buffers are full
        assert sender.is_alive()
        stream.close()
        sender.join(WAIT_S)
        client_gone.set()
    assert len(failures) == 1
