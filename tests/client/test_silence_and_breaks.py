"""What callers see of time: sides that fall silent, sends that wait or don't, closing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from websockets.sync.server import ServerConnection

from fakes_breaking_server import (
    Time,
    break_at_once,
    breaking_server,
    connected,
    end_well,
)
from fakes_wire_server import OPTIONS, READY, Script, read_to_finish
from streamscribe_client.errors import ConnectionFailed
from streamscribe_client.events import Disconnected, Reconnected
from streamscribe_client.surroundings import Surroundings
from streamscribe_client.websocket import WebSocket, open_websocket
from streamscribe_protocol.messages import (
    Ack,
    Done,
    Flush,
    Heartbeat,
    KeepAlive,
    SpeechStarted,
    decode_client_message,
    encode,
)

WAIT_S = 20
"""Bound of a wait that ends at once unless the test fails."""
BEATING = replace(READY, heartbeat_s=5.0)


def run(use: Callable[[str], Awaitable[None]], *connections: Script) -> None:
    async def bounded(address: str) -> None:
        async with asyncio.timeout(WAIT_S):
            await use(address)

    with breaking_server(*connections) as address:
        asyncio.run(bounded(address))


def unreachable_after(connections: int) -> Surroundings:
    """Later attempts never end."""
    left = [open_websocket] * connections

    async def dial(url: str, timeout_s: float) -> WebSocket:
        if left:
            return await left.pop()(url, timeout_s)
        await asyncio.Event().wait()
        raise ConnectionFailed(url=url, reason="never reached")

    return replace(Time().surroundings(), dial=dial)


def test_a_connection_without_heartbeats_is_broken() -> None:
    time = Time()

    def fall_silent(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(encode(BEATING))
        socket.wait_closed(WAIT_S)

    async def use(address: str) -> None:
        async with connected(address, time.surroundings(), connection_events=True) as stream:
            assert await anext(stream) == Disconnected(
                "the connection ended before the last final: close code 1006 (no close frame),"
                " no message came for 15 s"
            )
            back = await anext(stream)
            assert isinstance(back, Reconnected)
            assert back.after_s == pytest.approx(0.05)
            await stream.finish()
            assert await stream.next_event() is None
        assert time.slept_s == [2.5] * 6 + [0.05]

    run(use, fall_silent, end_well)


class Looks:
    """Sleep ends when the test says so."""

    def __init__(self) -> None:
        self.allowed = asyncio.Semaphore(0)
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await self.allowed.acquire()


def test_a_client_that_has_nothing_to_send_says_so_once_a_heartbeat() -> None:
    def answer_each(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(encode(BEATING))
        for seq in range(2, 12):
            assert decode_client_message(str(socket.recv())) == KeepAlive()
            socket.send(encode(SpeechStarted(seq, seq, 0)))

    async def use(address: str) -> None:
        looks = Looks()
        surroundings = Surroundings(sleep=looks.sleep)
        async with connected(address, surroundings) as stream:
            for seq in range(2, 12):
                looks.allowed.release()
                looks.allowed.release()
                assert await anext(stream) == SpeechStarted(seq, seq, 0)
        assert set(looks.slept_s) == {2.5}

    run(use, answer_each)


def test_the_last_heartbeat_is_at_hand() -> None:
    heartbeat = Heartbeat(1, received_at=0, heard_ms=0, lag_ms=0, realtime_factor=0.1)

    def beat(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(encode(READY))
        socket.send(encode(heartbeat))
        socket.send(encode(SpeechStarted(2, 0, 0)))
        socket.recv()

    async def use(address: str) -> None:
        async with connected(address) as stream:
            assert await anext(stream) == SpeechStarted(2, 0, 0)
            assert stream.health == heartbeat
            assert (stream.connected, stream.reconnects) == (True, 0)

    run(use, beat)


def test_a_live_source_does_not_wait_for_a_connection_and_closing_does_not_either() -> None:
    async def use(address: str) -> None:
        async with connected(address, unreachable_after(1), connection_events=True) as stream:
            assert isinstance(await anext(stream), Disconnected)
            assert not stream.connected
            await stream.send(bytes(10_000_000))
            await stream.set_hotwords(["Ada"])
            await stream.flush()
            await stream.finish()

    run(use, break_at_once)


def test_a_source_that_is_always_ready_leaves_others_their_turn() -> None:
    async def use(address: str) -> None:
        async with connected(address, unreachable_after(1), connection_events=True) as stream:
            await anext(stream)
            stream.send_soon(bytes(2) for _ in iter(int, 1))
            for _ in range(100):
                await asyncio.sleep(0)

    run(use, break_at_once)


def test_where_nothing_may_be_lost_send_waits_for_acknowledgements() -> None:
    longest_bytes = 32 * (OPTIONS.max_segment_ms + 10_000)
    unacknowledged: list[int] = []

    def acknowledge_late(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(encode(READY))
        received = 0
        while received < longest_bytes:
            received += len(socket.recv())
        socket.send(encode(SpeechStarted(2, 0, 0)))
        while isinstance(frame := socket.recv(), bytes):
            unacknowledged.append(received)
            received += len(frame)
        assert isinstance(decode_client_message(frame), Flush)
        socket.send(encode(Ack(3, at=received // 2)))
        read_to_finish(socket)
        socket.send(encode(Done(4, 0)))

    async def use(address: str) -> None:
        async with connected(address, buffer_s=0, overflow="wait") as stream:
            sending = asyncio.create_task(stream.send(bytes(2 * longest_bytes)))
            assert await anext(stream) == SpeechStarted(2, 0, 0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert not sending.done()
            await stream.flush()
            await sending
            await stream.finish()
            assert [event async for event in stream] == []

    run(use, acknowledge_late)
    assert unacknowledged == []


def test_what_waits_for_room_ends_with_the_stream() -> None:
    async def use(address: str) -> None:
        async with connected(
            address, unreachable_after(1), overflow="wait", connection_events=True
        ) as stream:
            assert isinstance(await anext(stream), Disconnected)
            sending = asyncio.create_task(stream.send(bytes(10_000_000)))
            for _ in range(1_000):
                await asyncio.sleep(0)
            assert not sending.done()
        with pytest.raises(Exception, match="the stream was closed"):
            await sending

    run(use, break_at_once)
