import asyncio

import pytest
from websockets.sync.server import ServerConnection

from fakes_breaking_server import (
    Refusal,
    Time,
    answer_resume,
    break_at_once,
    breaking_server,
    connected,
    cut,
    end_well,
    finished,
    with_stream,
)
from fakes_wire_server import answer_start, read_to_finish
from streamscribe_client import AsyncStream
from streamscribe_client.events import Disconnected, Reconnected
from streamscribe_protocol.messages import (
    Ack,
    Done,
    Endpoint,
    Final,
    Flush,
    Flushed,
    Hotwords,
    Partial,
    ServerMessage,
    SpeechStarted,
    decode_client_message,
    encode,
)

WAIT_S = 20
"""Bound of a wait that ends at once unless the test fails."""
SAID: list[ServerMessage] = [
    SpeechStarted(2, 0, 0),
    Partial(3, 0, "Ask not", 3, (), 0),
    Ack(4, at=0),
    Partial(5, 0, "Ask not what", 7, (), 0),
    Endpoint(6, 0, "silence", 900),
    Final(7, 0, "Ask not what.", (), 0, 900, ack_at=2),
    SpeechStarted(8, 1, 900),
    Final(9, 1, "", (), 900, 950, ack_at=3),
    Done(10, 950),
]


@pytest.mark.parametrize("said", range(len(SAID)))
def test_wherever_the_connection_breaks_every_event_comes_once(said: int) -> None:
    def say_some(socket: ServerConnection) -> None:
        answer_start(socket)
        read_to_finish(socket)
        for message in SAID[:said]:
            socket.send(encode(message))
        cut(socket)

    def say_the_rest(socket: ServerConnection) -> None:
        resume = answer_resume(socket, at=3)
        read_to_finish(socket)
        for message in SAID[resume.last_seq - 1 :]:
            socket.send(encode(message))

    async def use(stream: AsyncStream) -> None:
        await stream.send(b"abcdef")
        events = await finished(stream)
        assert events == [event for event in SAID if not isinstance(event, Ack | Done)]
        assert stream.reconnects == 1

    with_stream(use, say_some, say_the_rest, time=Time())


@pytest.mark.parametrize(("received_at", "rest"), [(0, b"abcdef"), (1, b"cdef"), (3, b"")])
def test_audio_goes_on_where_the_server_wants_it(received_at: int, rest: bytes) -> None:
    received: list[bytes] = []

    def hear_some(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.recv()
        cut(socket)

    def hear_the_rest(socket: ServerConnection) -> None:
        resume = answer_resume(socket, at=received_at)
        received.append(read_to_finish(socket))
        socket.send(encode(Done(resume.last_seq + 1, 0)))

    async def use(stream: AsyncStream) -> None:
        await stream.send(b"abcdef")
        assert await finished(stream) == []

    with_stream(use, hear_some, hear_the_rest, time=Time())
    assert received == [rest]


def test_a_fresh_session_has_another_name() -> None:
    def begin_afresh(socket: ServerConnection) -> None:
        answer_resume(socket, "fresh", session="s-2")
        read_to_finish(socket)
        socket.send(encode(Done(2, 0)))

    async def use(stream: AsyncStream) -> None:
        assert stream.session == "s-1"
        await finished(stream)
        assert stream.session == "s-2"

    with_stream(use, break_at_once, begin_afresh, time=Time())


def test_a_flush_and_hotwords_that_were_lost_are_said_again_in_their_places() -> None:
    heard: list[object] = []

    def lose_it_all(socket: ServerConnection) -> None:
        answer_start(socket)
        for _ in range(4):
            socket.recv()
        cut(socket)

    def listen(socket: ServerConnection) -> None:
        answer_resume(socket, "fresh")
        for _ in range(5):
            frame = socket.recv()
            heard.append(frame if isinstance(frame, bytes) else decode_client_message(frame))
        socket.send(encode(Flushed(2, "flush-1")))
        socket.send(encode(Done(3, 0)))

    async def use(stream: AsyncStream) -> None:
        await stream.send(b"ab")
        await stream.set_hotwords(["Ada"])
        await stream.send(b"cd")
        await stream.flush()
        assert await finished(stream) == [Flushed(2, "flush-1")]

    with_stream(use, lose_it_all, listen, time=Time())
    assert heard[:4] == [b"ab", Hotwords(("Ada",)), b"cd", Flush("flush-1")]


def test_a_server_that_is_full_is_asked_again_when_it_wants() -> None:
    time = Time()

    async def use(stream: AsyncStream) -> None:
        await finished(stream)

    refusals = [Refusal(503, retry_after_s=7), Refusal(502), Refusal(503)]
    with_stream(use, break_at_once, *refusals, end_well, time=time)
    assert time.slept_s == [0.05, 7, 0.2, 0.4]


def test_who_asks_for_it_is_told_of_the_connection() -> None:
    async def run(address: str) -> None:
        time = Time()
        async with connected(address, time.surroundings(), connection_events=True) as stream:
            broken, back = await finished(stream)
            assert isinstance(broken, Disconnected)
            assert "1012 (restarting), deploying" in broken.reason
            assert back == Reconnected("continued", after_s=0.05)

    def restart(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.close(1012, "deploying")

    with breaking_server(restart, end_well) as address:
        asyncio.run(run(address))
