"""The client for programs without an event loop: ``with connect(...) as stream``.

Every verb runs the asyncio client's verb on a loop thread, so the server's messages are taken in
while a ``send`` is blocked, and any thread may send while another one iterates.
"""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self, Unpack

from streamscribe_client.async_client import AsyncStream, open_stream
from streamscribe_client.events import StreamEvent
from streamscribe_client.loop_thread import LoopThread
from streamscribe_client.outgoing import Audio
from streamscribe_client.stream_options import ConnectOptions
from streamscribe_protocol.messages import EffectiveOptions, Heartbeat


def connect(server: str, *, timeout_s: float = 5.0, **options: Unpack[ConnectOptions]) -> "Stream":
    """An open stream; use it in a ``with`` block, or call its ``close``.

    ::

        with connect("ws://localhost:8000", rate=16000, language="en") as stream:
            stream.send(pcm_bytes)
            stream.finish()
            for event in stream:
                print(event)

    ``server`` is ``host``, ``host:port`` or a URL; ``timeout_s`` is the longest wait for the
    connection, and then for the server's answer. Raises ``ConnectionFailed``, ``ServerBusy``,
    ``ServerError`` or ``LocalProtocolError``. Leaving the block before the last event gives up
    what is still to come. ``options`` are those of ``StreamOptions``; the server decides what is
    left out.

    When the connection breaks, or the server restarts, the stream goes on over another connection,
    and the caller sees one uninterrupted stream of events. These options say how:

    - ``resume`` (True): False raises ``ConnectionLost`` at once instead.
    - ``buffer_s`` (120): seconds of audio that are kept until the server has acknowledged them.
    - ``overflow`` (``"gap"``): what happens to more than that. The oldest is given up, and an event
      ``Gap`` says which, so that ``send`` never waits for a connection: for live sources.
      ``"wait"``: ``send`` waits, and nothing is lost: for files.
    - ``reconnect_s`` (60): seconds that the connection is tried again, more and more slowly, before
      ``ConnectionLost`` is raised.
    - ``connection_events`` (False): True puts ``Disconnected`` and ``Reconnected``, of
      ``streamscribe_client.events``, among the events.

    The first connection is tried once.
    """
    loop = LoopThread("streamscribe-client")
    try:
        return Stream(loop, loop.call(open_stream(server, timeout_s, options)))
    except BaseException:
        loop.stop()
        raise


class Stream:
    """One open stream; an iterator over its events. ``connect`` makes it."""

    def __init__(self, loop: LoopThread, stream: AsyncStream) -> None:
        self._loop = loop
        self._stream = stream

    @property
    def session(self) -> str:
        """The server's name for this session; another one after a resume that began afresh."""
        return self._stream.session

    @property
    def model(self) -> str:
        """Name of the model that is used."""
        return self._stream.model

    @property
    def options(self) -> EffectiveOptions:
        """The options that the server really uses."""
        return self._stream.options

    @property
    def connected(self) -> bool:
        """Whether there is a connection now. The stream goes on without one for a while."""
        return self._stream.connected

    @property
    def reconnects(self) -> int:
        """How often the connection broke and the stream went on."""
        return self._stream.reconnects

    @property
    def health(self) -> Heartbeat | None:
        """The server's last word on how far it has come; None: none yet."""
        return self._stream.health

    def send(self, audio: Audio) -> None:
        """Send audio of any length; blocks while the network or the server is full.

        While the connection is broken audio is kept, up to ``buffer_s``; then the oldest is given
        up, or with ``overflow="wait"`` this blocks, as it then does whenever that much is not
        acknowledged.
        """
        self._loop.call(self._stream.send(audio))

    def send_soon(self, source: Iterable[Audio]) -> None:
        """Send all of ``source`` from a thread, then finish; whoever iterates gets its error."""
        feeder = threading.Thread(
            target=self._feed, args=[source], name="streamscribe-feeder", daemon=True
        )
        feeder.start()

    def flush(self) -> str:
        """Close the open segment here; ``Flushed`` with the returned id follows its final."""
        return self._loop.call(self._stream.flush())

    def set_hotwords(self, phrases: Iterable[str]) -> None:
        """Lean towards ``phrases``, and no others, in the audio sent from here on.

        A list that the model can't follow changes nothing and is answered by an ``Error`` event.
        """
        self._loop.call(self._stream.set_hotwords(phrases))

    def finish(self) -> None:
        """Say that there is no more audio; iterating ends after the last final."""
        self._loop.call(self._stream.finish())

    def close(self) -> None:
        """Close the connection, finished or not. May be called again."""
        if not self._loop.stopped:
            self._loop.call(self._stream.close())
        self._loop.stop()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        event = self._loop.call(self._stream.next_event())
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _feed(self, source: Iterable[Audio]) -> None:
        try:
            for audio in source:
                self.send(audio)
            self.finish()
        except Exception as error:  # noqa: BLE001 - handed on to the thread that iterates
            self._loop.post(self._stream.fail, error)
