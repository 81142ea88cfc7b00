"""Breaks that are not mended, or not for ever."""

import asyncio
from dataclasses import replace

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
from fakes_wire_server import READY, answer_start, final
from streamscribe_client import AsyncStream, ConnectionFailed, ConnectionLost, ServerError
from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import (
    Error,
    encode,
)

WAIT_S = 20
"""Bound of a wait that ends at once unless the test fails."""


def test_a_server_that_does_not_come_back_is_given_up_after_a_while() -> None:
    time = Time()

    async def use(stream: AsyncStream) -> None:
        lost = pytest.raises(ConnectionLost, match="not resumed within 60 s: .*HTTP status 500")
        with lost as caught:
            await finished(stream)
        assert caught.value.code == 1006
        with pytest.raises(ConnectionLost):
            await stream.send(b"ab")

    with_stream(use, break_at_once, *[Refusal(500)] * 100, time=time)
    assert sum(time.slept_s) == pytest.approx(60)


def test_a_server_that_knows_us_no_more_is_given_up_at_once() -> None:
    time = Time()

    async def use(stream: AsyncStream) -> None:
        with pytest.raises(ConnectionFailed, match="403"):
            await finished(stream)

    with_stream(use, break_at_once, Refusal(403), time=time)
    assert len(time.slept_s) == 1


def test_connections_that_bring_nothing_count_as_one_outage() -> None:
    def answer_and_break(socket: ServerConnection) -> None:
        answer_resume(socket)
        cut(socket)

    time = Time()

    async def use(stream: AsyncStream) -> None:
        await finished(stream)

    with_stream(use, break_at_once, *[answer_and_break] * 3, end_well, time=time)
    assert time.slept_s == [0.05, 0.1, 0.2, 0.4]


def test_a_server_that_fails_the_same_way_four_times_has_the_last_word() -> None:
    def fail(socket: ServerConnection, seq: int) -> None:
        socket.send(encode(Error(seq, "internal", "out of memory", fatal=True)))
        socket.close(1011)

    def begin(socket: ServerConnection) -> None:
        answer_start(socket)
        fail(socket, 2)

    def again(socket: ServerConnection) -> None:
        fail(socket, answer_resume(socket, "fresh").last_seq + 1)

    async def use(stream: AsyncStream) -> None:
        with pytest.raises(ServerError, match="out of memory"):
            await finished(stream)
        assert stream.reconnects == 3

    with_stream(use, begin, again, again, again, time=Time())


def test_a_server_that_repeats_itself_breaks_the_protocol() -> None:
    def begin(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(final(2)))
        cut(socket)

    def repeat(socket: ServerConnection) -> None:
        answer_resume(socket)
        socket.send(encode(replace(final(2), seq=3)))
        socket.wait_closed(WAIT_S)

    async def use(stream: AsyncStream) -> None:
        assert await anext(stream) == final(2)
        with pytest.raises(RemoteProtocolError, match="segment 2 has its final"):
            await anext(stream)

    with_stream(use, begin, repeat, time=Time())


def test_a_server_that_answers_start_with_a_token_may_still_not_be_resumed_without_wish() -> None:
    async def run(address: str) -> None:
        async with connected(address, resume=False) as stream:
            with pytest.raises(ConnectionLost, match="no close frame"):
                await finished(stream)

    assert READY.resume_token
    with breaking_server(break_at_once, end_well) as address:
        asyncio.run(run(address))
