"""The asyncio client: ``async with connect_async(...) as stream``. The thread client drives it too.

Whatever the caller does, a reader task takes in the server's messages as they come, so that a
server which sends while it does not read can never deadlock with a client that sends.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self, Unpack

from streamscribe_client.address import stream_url
from streamscribe_client.dialogue import (
    Audio,
    Dialogue,
    Phase,
    StreamEvent,
    StreamOptions,
    start_message,
)
from streamscribe_client.errors import ConnectionFailed, ServerError
from streamscribe_client.inbox import Inbox
from streamscribe_client.websocket import Closed, WebSocket, open_websocket
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import EffectiveOptions, Ready


@asynccontextmanager
async def connect_async(
    server: str, *, timeout_s: float = 5.0, **options: Unpack[StreamOptions]
) -> AsyncIterator["AsyncStream"]:
    """A stream that is open while the block runs.

    ::

        async with connect_async("ws://localhost:8000", rate=16000, language="en") as stream:
            stream.send_soon(microphone())
            async for event in stream:
                print(event)

    Arguments and errors are those of ``connect``; see there.
    """
    stream = await open_stream(server, timeout_s, options)
    try:
        yield stream
    finally:
        await stream.close()


async def open_stream(server: str, timeout_s: float, options: StreamOptions) -> "AsyncStream":
    """An open stream that the caller has to close. Raises as ``connect_async`` does."""
    url = stream_url(server)
    dialogue = Dialogue(start_message(options))
    stream = AsyncStream(await open_websocket(url, timeout_s), dialogue)
    try:
        async with asyncio.timeout(timeout_s):
            await stream.opened()
    except TimeoutError as error:
        await stream.close()
        reason = f"the server did not answer start within {timeout_s:g} s"
        raise ConnectionFailed(url=url, reason=reason) from error
    except BaseException:
        await stream.close()
        raise
    return stream


class AsyncStream:
    """One open stream; an asynchronous iterator over its events. ``connect_async`` makes it."""

    def __init__(self, websocket: WebSocket, dialogue: Dialogue) -> None:
        self._websocket = websocket
        self._dialogue = dialogue
        self._inbox = Inbox()
        self._answered = asyncio.Event()
        self._feeders: set[asyncio.Task[None]] = set()
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(self._task_done)

    @property
    def session(self) -> str:
        """The server's name for this session."""
        return self._ready.session

    @property
    def model(self) -> str:
        """Name of the model that is used."""
        return self._ready.model

    @property
    def options(self) -> EffectiveOptions:
        """The options that the server really uses."""
        return self._ready.options

    @property
    def _ready(self) -> Ready:
        assert self._dialogue.ready is not None, "a stream is handed out only once it is ready"
        return self._dialogue.ready

    async def send(self, audio: Audio) -> None:
        """Send audio of any length; waits while the network or the server is full."""
        self._inbox.raise_failure()
        for frame in self._dialogue.audio(audio):
            await self._transmit(frame)

    def send_soon(self, source: AsyncIterable[Audio] | Iterable[Audio]) -> None:
        """Send all of ``source`` in the background, then finish; whoever iterates gets its error.

        The items of a plain iterable must be at hand at once: waiting for one stops the loop.
        """
        task = asyncio.create_task(self._feed(source))
        self._feeders.add(task)
        task.add_done_callback(self._task_done)

    async def flush(self) -> str:
        """Close the open segment here; ``Flushed`` with the returned id follows its final."""
        self._inbox.raise_failure()
        flush_id, frame = self._dialogue.flush()
        await self._transmit(frame)
        return flush_id

    async def set_hotwords(self, phrases: Iterable[str]) -> None:
        """Lean towards ``phrases``, and no others, in the audio sent from here on.

        A list that the model can't follow changes nothing and is answered by an ``Error`` event.
        """
        self._inbox.raise_failure()
        await self._transmit(self._dialogue.hotwords(phrases))

    async def finish(self) -> None:
        """Say that there is no more audio; iterating ends after the last final."""
        self._inbox.raise_failure()
        await self._transmit(self._dialogue.finish())

    async def next_event(self) -> StreamEvent | None:
        """The next event, None after the last one. Raises what ended the dialogue early."""
        return await self._inbox.get()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        event = await self.next_event()
        if event is None:
            raise StopAsyncIteration
        return event

    def fail(self, failure: BaseException) -> None:
        """End the iteration with ``failure`` after the events that are here already."""
        self._inbox.end(failure)

    async def opened(self) -> None:
        """Send the opening and wait for the answer. Raises what the server said against it."""
        await self._transmit(self._dialogue.opening())
        await self._answered.wait()
        if self._dialogue.ready is None:
            self._inbox.raise_failure()

    async def close(self) -> None:
        """Close the connection, finished or not. May be called again."""
        for feeder in self._feeders:
            feeder.cancel()
        broken = isinstance(self._inbox.failure, RemoteProtocolError)
        await self._websocket.close(CloseCode.PROTOCOL_ERROR if broken else CloseCode.NORMAL)
        self._reader.cancel()
        await asyncio.wait([self._reader, *self._feeders])

    async def _feed(self, source: AsyncIterable[Audio] | Iterable[Audio]) -> None:
        if isinstance(source, AsyncIterable):
            async for audio in source:
                await self.send(audio)
        else:
            for audio in source:
                await self.send(audio)
        await self.finish()

    async def _transmit(self, frame: str | memoryview) -> None:
        self._inbox.raise_failure()
        try:
            await self._websocket.send(frame)
        except Closed as closed:
            await asyncio.wait([self._reader])  # it may know more
            self._inbox.raise_failure()
            raise self._dialogue.closed(closed.code, closed.reason) from closed

    async def _read(self) -> None:
        while self._dialogue.phase is not Phase.OVER:
            try:
                event = await self._next_event()
            except (ServerError, RemoteProtocolError, ConnectionError) as failure:
                self._inbox.end(failure)  # at once: a `send` that follows must find it
                raise
            if event is not None:
                self._inbox.put(event)
            if self._dialogue.ready is not None:
                self._answered.set()

    async def _next_event(self) -> StreamEvent | None:
        """What the server's next frame means for the caller, if anything."""
        try:
            frame = await self._websocket.receive()
        except Closed as closed:
            raise self._dialogue.closed(closed.code, closed.reason) from closed
        return self._dialogue.receive(frame)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._inbox.end(LocalProtocolError("the stream was closed"))
        elif (failure := task.exception()) is not None:
            self._inbox.end(failure)
        elif task is self._reader:
            self._inbox.end(None)
        if task is self._reader:
            self._answered.set()
