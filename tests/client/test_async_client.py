import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.sync.server import ServerConnection

from fakes_wire_server import answer_start, final, say_how_much_came, scripted_server
from streamscribe_client import AsyncStream, Final, ServerError, connect_async
from streamscribe_client.dialogue import Phase
from streamscribe_protocol.errors import LocalProtocolError
from streamscribe_protocol.messages import Error, Flushed, encode

WAIT_S = 20
"""Bound of a wait that ends at once unless the test fails."""


def with_stream(
    script: Callable[[ServerConnection], None], use: Callable[[AsyncStream], Awaitable[None]]
) -> None:
    """Run ``use`` on a stream to a server that runs ``script``."""

    async def run(address: str) -> None:
        async with connect_async(address) as stream:
            await use(stream)

    with scripted_server(script) as address:
        asyncio.run(run(address))


def test_audio_goes_up_and_events_come_down() -> None:
    async def use(stream: AsyncStream) -> None:
        await stream.send(bytes(200_000))
        flush_id = await stream.flush()
        await stream.finish()
        events = [event async for event in stream]
        assert events == [Flushed(2, flush_id), final(3, text="200000 bytes")]

    with_stream(say_how_much_came, use)


def test_an_asynchronous_iterator_is_fed_in_the_background_and_then_finished() -> None:
    async def microphone() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0)
            yield bytes(1_000)

    async def use(stream: AsyncStream) -> None:
        stream.send_soon(microphone())
        texts = [event.text async for event in stream if isinstance(event, Final)]
        assert texts == ["5000 bytes"]

    with_stream(say_how_much_came, use)


def test_a_plain_iterable_is_fed_too() -> None:
    async def use(stream: AsyncStream) -> None:
        stream.send_soon([b"abc", b"de"])
        assert [event async for event in stream] == [final(2, text="5 bytes")]

    with_stream(say_how_much_came, use)


def test_the_error_of_a_failing_iterator_reaches_who_iterates() -> None:
    async def unplugged() -> AsyncIterator[bytes]:
        yield bytes(100)
        raise OSError("the microphone was unplugged")

    async def use(stream: AsyncStream) -> None:
        stream.send_soon(unplugged())
        with pytest.raises(OSError, match="unplugged"):
            async for _ in stream:
                pass

    with_stream(say_how_much_came, use)


def test_a_fatal_error_comes_after_all_earlier_events() -> None:
    def fail_later(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(final(2)))
        socket.send(encode(Error(3, "session_limit", "a day is enough", fatal=True)))
        socket.close(4410)

    async def use(stream: AsyncStream) -> None:
        assert await anext(stream) == final(2)
        with pytest.raises(ServerError, match="a day is enough"):
            await anext(stream)

    with_stream(fail_later, use)


def test_leaving_early_stops_a_source_that_waits_for_audio() -> None:
    stopped: list[str] = []

    async def muted_microphone() -> AsyncIterator[bytes]:
        yield bytes(100)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("microphone closed")

    async def run(address: str) -> None:
        async with asyncio.timeout(WAIT_S), connect_async(address) as stream:
            stream.send_soon(muted_microphone())
            await stream.flush()
            assert isinstance(await anext(stream), Flushed)
        assert stopped == ["microphone closed"]

    with scripted_server(say_how_much_came) as address:
        asyncio.run(run(address))


def test_a_send_that_is_blocked_ends_with_the_servers_own_words() -> None:
    def give_up(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.recv()
        socket.send(encode(Error(2, "session_limit", "a day is enough", fatal=True)))
        socket.close_timeout = 0.1
        socket.close(4410)

    async def use(stream: AsyncStream) -> None:
        with pytest.raises(ServerError, match="a day is enough"):
            for _ in range(1_000):
                await stream.send(bytes(1 << 20))

    with_stream(give_up, use)


def test_a_send_right_after_the_servers_last_word_ends_with_it() -> None:
    def give_up(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.send(encode(Error(2, "session_limit", "a day is enough", fatal=True)))
        socket.recv()

    async def use(stream: AsyncStream) -> None:
        while stream._dialogue.phase is not Phase.OVER:  # noqa: ASYNC110 - the very next moment
            await asyncio.sleep(0)
        with pytest.raises(ServerError, match="a day is enough"):
            await stream.send(b"\x00\x00")

    with_stream(give_up, use)


def test_a_stream_that_was_left_cannot_be_waited_on_for_ever() -> None:
    async def run(address: str) -> None:
        async with connect_async(address) as stream:
            pass
        with pytest.raises((LocalProtocolError, ConnectionError)):
            await anext(stream)

    with scripted_server(say_how_much_came) as address:
        asyncio.run(run(address))
