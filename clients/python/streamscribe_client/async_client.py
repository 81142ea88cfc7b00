"""The asyncio client: ``async with connect_async(...)``. The thread client drives it too."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Self, Unpack

from streamscribe_client.address import stream_url
from streamscribe_client.dialogue import Dialogue
from streamscribe_client.events import StreamEvent
from streamscribe_client.line import Line
from streamscribe_client.outgoing import Audio, pieces
from streamscribe_client.stream_options import ConnectOptions, parted, start_message
from streamscribe_client.surroundings import REAL, Surroundings
from streamscribe_client.websocket import open_websocket
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import EffectiveOptions, Heartbeat, Ready


@asynccontextmanager
async def connect_async(
    server: str, *, timeout_s: float = 5.0, **options: Unpack[ConnectOptions]
) -> AsyncIterator["AsyncStream"]:
    """A stream that is open while the block runs.

    ::

        async with connect_async("ws://localhost:8000", rate=16000, language="en") as stream:
            stream.send_soon(microphone())
            async for event in stream:
                print(event)

    Arguments, errors, and what happens when the connection breaks, are those of ``connect``; see
    there.
    """
    stream = await open_stream(server, timeout_s, options)
    try:
        yield stream
    finally:
        await stream.close()


async def open_stream(
    server: str, timeout_s: float, options: ConnectOptions, surroundings: Surroundings = REAL
) -> "AsyncStream":
    """An open stream that the caller has to close. Raises as ``connect_async`` does."""
    told, perseverance = parted(options)
    if perseverance.api_key is not None:
        dial = partial(open_websocket, api_key=perseverance.api_key)
        surroundings = replace(surroundings, dial=dial)
    dialogue = Dialogue(start_message(told), perseverance)
    line = Line(stream_url(server), timeout_s, dialogue, perseverance, surroundings)
    await line.open()
    return AsyncStream(line, dialogue)


class AsyncStream:
    """One open stream; an asynchronous iterator over its events. ``connect_async`` makes it."""

    def __init__(self, line: Line, dialogue: Dialogue) -> None:
        self._line = line
        self._dialogue = dialogue
        self._feeders: set[asyncio.Task[None]] = set()
        self._runner = asyncio.create_task(line.run())
        self._runner.add_done_callback(self._task_done)

    @property
    def session(self) -> str:
        """The server's name for this session; another one after a resume that began afresh."""
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

    @property
    def connected(self) -> bool:
        """Whether there is a connection now. The stream goes on without one for a while."""
        return self._line.connected and not self._line.inbox.ended

    @property
    def reconnects(self) -> int:
        """How often the connection broke and the stream went on."""
        return self._line.reconnects

    @property
    def health(self) -> Heartbeat | None:
        """The server's last word on how far it has come; None: none yet."""
        return self._dialogue.health

    async def send(self, audio: Audio) -> None:
        """Send audio of any length; waits while the network or the server is full.

        While the connection is broken audio is kept, up to ``buffer_s``; then the oldest is given
        up, or with ``overflow="wait"`` this waits, as it then does whenever that much is not
        acknowledged.
        """
        for piece in pieces(audio):
            await self._line.room()
            self._line.inbox.raise_failure()
            self._dialogue.audio(piece)
            await self._sent()

    def send_soon(self, source: AsyncIterable[Audio] | Iterable[Audio]) -> None:
        """Send all of ``source`` in the background, then finish; whoever iterates gets its error.

        The items of a plain iterable must be at hand at once: waiting for one stops the loop.
        """
        task = asyncio.create_task(self._feed(source))
        self._feeders.add(task)
        task.add_done_callback(self._task_done)

    async def flush(self) -> str:
        """Close the open segment here; ``Flushed`` with the returned id follows its final."""
        self._line.inbox.raise_failure()
        flush_id = self._dialogue.flush()
        await self._sent()
        return flush_id

    async def set_hotwords(self, phrases: Iterable[str]) -> None:
        """Lean towards ``phrases``, and no others, in the audio sent from here on.

        A list that the model can't follow changes nothing and is answered by an ``Error`` event.
        """
        self._line.inbox.raise_failure()
        self._dialogue.hotwords(phrases)
        await self._sent()

    async def finish(self) -> None:
        """Say that there is no more audio; iterating ends after the last final."""
        self._line.inbox.raise_failure()
        self._dialogue.finish()
        await self._sent()

    async def next_event(self) -> StreamEvent | None:
        """The next event, None after the last one. Raises what ended the dialogue early."""
        return await self._line.inbox.get()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        event = await self.next_event()
        if event is None:
            raise StopAsyncIteration
        return event

    def fail(self, failure: BaseException) -> None:
        """End the iteration with ``failure`` after the events that are here already."""
        self._line.end(failure)

    async def close(self) -> None:
        """Close the connection, finished or not. May be called again."""
        for feeder in self._feeders:
            feeder.cancel()
        broken = isinstance(self._line.inbox.failure, RemoteProtocolError)
        await self._line.close(CloseCode.PROTOCOL_ERROR if broken else CloseCode.NORMAL)
        self._runner.cancel()
        await asyncio.wait([self._runner, *self._feeders])

    async def _feed(self, source: AsyncIterable[Audio] | Iterable[Audio]) -> None:
        if isinstance(source, AsyncIterable):
            async for audio in source:
                await self.send(audio)
        else:
            for audio in source:
                await self.send(audio)
        await self.finish()

    async def _sent(self) -> None:
        """Have the network take what was said, if there is one. Raises what ended the dialogue."""
        self._line.there_is_more()
        await self._line.all_sent()
        self._line.inbox.raise_failure()

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._line.end(LocalProtocolError("the stream was closed"))
        elif (failure := task.exception()) is not None:
            self._line.end(failure)
        elif task is self._runner:
            self._line.end(None)
