"""One WebSocket: waits for ``start``, then talks for a session.

Three tasks talk: the reader takes frames to the session, and stops reading from the socket while
the stream is too far behind, so that TCP slows the sender. The writer sends what the session has
to say, and gives up on a client that doesn't read. The third reminds it of its heartbeat. When
one of them ends, the connection does; the session may go on over another one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Error, Start, encode
from streamscribe_server.frames import never_started, start_of
from streamscribe_server.hosted_session import HangUp, HostedSession
from streamscribe_server.limits import Limits
from streamscribe_server.metrics import Metrics
from streamscribe_server.outbox import UNNUMBERED
from streamscribe_server.reaction import Closing
from streamscribe_server.sessions import Parting
from streamscribe_server.start_terms import Refused

logger = logging.getLogger(__name__)

Host = Callable[[Start, HangUp], HostedSession]
"""Finds or opens the session that a ``start`` asks for. Raises ``Refused``."""
Leave = Callable[[HostedSession, Parting], None]
"""Is told that the connection of a session is gone."""


class Connection:
    """Serves one accepted client until it is gone. All methods run on the event loop."""

    def __init__(
        self,
        websocket: WebSocket,
        host: Host,
        leave: Leave,
        limits: Limits,
        metrics: Metrics | None = None,
    ) -> None:
        self._websocket = websocket
        self._host = host
        self._leave = leave
        self._limits = limits
        self._metrics = metrics or Metrics()
        self._session: HostedSession | None = None
        self._closing: Closing | None = None
        self._parting = Parting.LOST
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Talk until the session is over, another connection takes over, or the client is gone."""
        try:
            await self._websocket.accept()
            await self._run_until_one_ends(self._greet())
            if self._session is not None and self._closing is None:
                session = self._session
                await self._run_until_one_ends(
                    self._read(session), self._write(session), self._beat(session)
                )
        except WebSocketDisconnect:
            logger.debug("the client was gone before it was accepted")
        except Exception:
            logger.exception("%s: the connection failed", self._name)
            self._parting = Parting.FAILED
            self._closing = Closing(CloseCode.INTERNAL, "internal")
        finally:
            self._part()
        if self._closing is not None:
            await self._close(self._closing)

    def drain(self) -> None:
        """The server is going down. A session is told by itself."""
        if self._session is None:
            self._hang_up(Closing(CloseCode.RESTARTING, "restarting"))

    @property
    def _name(self) -> str:
        return f"stream {self._session.identity.session}" if self._session else "no stream yet"

    async def _run_until_one_ends(self, *work: Coroutine[None, None, None]) -> None:
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(part) for part in work]
            for task in self._tasks:
                task.add_done_callback(lambda _: self._cancel_tasks())

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _hang_up(self, closing: Closing) -> None:
        """End at once, whatever is still to be said."""
        self._closing = closing
        self._cancel_tasks()

    def _part(self) -> None:
        if self._session is None:
            reason = self._closing.reason if self._closing else self._parting.value
            logger.info("a connection never started: reason=%s", reason)
        elif self._session.detach(self._hang_up):
            self._leave(self._session, self._parting)

    async def _greet(self) -> None:
        """Wait for ``start``, and find its session."""
        last_seq = UNNUMBERED
        try:
            start = await self._first_message()
            if start is not None:
                last_seq = start.resume.last_seq if start.resume else UNNUMBERED
                self._session = self._host(start, self._hang_up)
        except Refused as refusal:
            error = Error(max(UNNUMBERED, last_seq) + 1, refusal.code, refusal.message, fatal=True)
            self._metrics.error(refusal.code)
            self._closing = Closing(refusal.close_code, refusal.close_reason)
            with contextlib.suppress(TimeoutError, WebSocketDisconnect):  # nobody is there to hear
                await self._send(encode(error))

    async def _first_message(self) -> Start | None:
        """The client's ``start``; None: it has left before. Raises ``Refused``."""
        try:
            async with asyncio.timeout(self._limits.start_timeout_s):
                while True:
                    frame = await self._receive()
                    start = start_of(frame, self._limits) if frame is not None else None
                    if frame is None or start is not None:
                        return start
        except TimeoutError:
            raise never_started(self._limits) from None

    async def _read(self, session: HostedSession) -> None:
        while True:
            await session.caught_up.wait()
            try:
                async with asyncio.timeout(session.patience_s):
                    frame = await self._receive()
            except TimeoutError:
                session.time_out()
                continue
            if frame is None:
                return
            session.receive(frame)

    async def _write(self, session: HostedSession) -> None:
        """Sends until it is time to close. A client that is gone ends the writer."""
        try:
            while True:
                text = session.take()
                if text is not None:
                    await self._send(text)
                elif session.closing is not None:
                    self._closing = session.closing
                    return
                else:
                    session.outgoing.clear()
                    await session.outgoing.wait()
        except TimeoutError:
            session.give_up_slow_reader()
            self._closing = session.closing
        except WebSocketDisconnect:
            logger.debug("%s: the client was gone while sending", self._name)

    async def _beat(self, session: HostedSession) -> None:
        while True:
            await asyncio.sleep(self._limits.heartbeat_s)
            session.beat()

    async def _receive(self) -> str | bytes | None:
        """The next frame; None: the client is gone."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            if message.get("code") == CloseCode.NORMAL:  # without a code it may be the network
                self._parting = Parting.LEFT
            return None
        data: bytes | None = message.get("bytes")
        text: str = message["text"] if data is None else ""
        return text if data is None else data

    async def _send(self, text: str) -> None:
        """Raises ``TimeoutError`` if the client doesn't read."""
        started_s = self._loop.time()
        async with asyncio.timeout(self._limits.slow_reader_s):
            await self._websocket.send_text(text)
        self._metrics.stage("send", self._loop.time() - started_s)

    async def _close(self, closing: Closing) -> None:
        """Send the close frame, unless the socket is so full that it can't be handed over."""
        try:
            async with asyncio.timeout(self._limits.close_grace_s):
                await self._websocket.close(closing.code, closing.reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            logger.debug("%s: no close frame was sent: %r", self._name, error)
