"""One WebSocket: two tasks around a dialogue.

The reader takes frames to the dialogue, and stops reading from the socket while the stream is
too far behind, so that TCP slows the sender. The writer empties the outbox, and gives up on a
client that doesn't read. Updates of the engine thread arrive on the event loop in between.
"""

import asyncio
import contextlib
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import encode
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.dialogue import Closing, Dialogue, Reaction, State
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Close, Command, Open, Update
from streamscribe_server.outbox import Outbox, OutboxFull
from streamscribe_server.schedulers import Schedulers

logger = logging.getLogger(__name__)


class Connection:
    """Serves one accepted client until it is gone. All methods run on the event loop."""

    def __init__(
        self,
        websocket: WebSocket,
        stream_id: str,
        catalogue: Catalogue,
        schedulers: Schedulers,
        limits: Limits,
    ) -> None:
        self._websocket = websocket
        self._stream_id = stream_id
        self._schedulers = schedulers
        self._limits = limits
        self._dialogue = Dialogue(stream_id, catalogue, limits)
        self._outbox = Outbox(limits.max_queued_messages)
        self._closing: Closing | None = None
        self._outgoing = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._loop = asyncio.get_running_loop()
        self._opened_s = self._loop.time()

    async def serve(self) -> None:
        """Talk until the dialogue closes or the client is gone."""
        try:
            await self._websocket.accept()
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._read(), name=f"read {self._stream_id}")
                writer = group.create_task(self._write(), name=f"write {self._stream_id}")
                reader.add_done_callback(lambda _: writer.cancel())
                writer.add_done_callback(lambda _: reader.cancel())
        except WebSocketDisconnect:
            logger.debug("stream %s: the client was gone before it was accepted", self._stream_id)
        except Exception:
            logger.exception("stream %s: the connection failed", self._stream_id)
            self._closing = Closing(CloseCode.INTERNAL, "internal")
            await self._close(self._closing)
        finally:
            reason = self._closing.reason if self._closing else "client_gone"
            if self._dialogue.started:
                self._schedulers.post(self._stream_id, Close(reason))
            else:
                logger.info("stream %s never started: reason=%s", self._stream_id, reason)

    def drain(self) -> None:
        """The server is going down: finish what is open, then close."""
        self._react(self._dialogue.drain())

    async def _read(self) -> None:
        while True:
            await self._caught_up.wait()
            patience_s = self._patience_s()
            try:
                async with asyncio.timeout(patience_s):
                    frame = await self._websocket.receive()
            except TimeoutError:
                self._react(self._dialogue.time_out())
                continue
            if frame["type"] == "websocket.disconnect":
                return
            if (data := frame.get("bytes")) is not None:
                self._react(self._dialogue.receive_bytes(data))
            else:
                self._react(self._dialogue.receive_text(frame["text"]))

    def _patience_s(self) -> float | None:
        """How long to wait for a frame; None: it is the server's turn, or all is said."""
        match self._dialogue.state:
            case State.WAITING_START:
                return self._opened_s + self._limits.start_timeout_s - self._loop.time()
            case State.STREAMING:
                return self._limits.idle_timeout_s
            case State.FINISHING | State.DRAINING | State.CLOSED:
                return None

    async def _write(self) -> None:
        """Sends until it is time to close. A client that is gone ends the writer."""
        try:
            while True:
                message = self._outbox.take()
                if message is not None:
                    async with asyncio.timeout(self._limits.slow_reader_s):
                        await self._websocket.send_text(encode(message))
                elif self._closing is not None:
                    return await self._close(self._closing)
                else:
                    self._outgoing.clear()
                    await self._outgoing.wait()
        except TimeoutError:
            self._give_up()
            await self._close(Closing(CloseCode.SLOW_READER, "slow_reader"))
        except WebSocketDisconnect:
            logger.debug("stream %s: the client was gone while sending", self._stream_id)

    async def _close(self, closing: Closing) -> None:
        """Send the close frame, unless the socket is so full that it can't be handed over."""
        try:
            async with asyncio.timeout(self._limits.close_grace_s):
                await self._websocket.close(closing.code, closing.reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            logger.debug("stream %s: no close frame was sent: %r", self._stream_id, error)

    def _take_update(self, update: Update) -> None:
        self._react(self._dialogue.take_update(update))

    def _deliver(self, update: Update) -> None:
        """Called on the engine thread."""
        with contextlib.suppress(RuntimeError):  # the event loop has gone, and the client with it
            self._loop.call_soon_threadsafe(self._take_update, update)

    def _react(self, reaction: Reaction) -> None:
        for command in reaction.commands:
            self._send_command(command)
        try:
            for message in reaction.replies:
                self._outbox.put(message)
        except OutboxFull:
            self._give_up()
        self._closing = self._closing or reaction.closing
        if self._dialogue.backlog_s < self._limits.backlog_pause_s or self._closing:
            self._caught_up.set()
        else:
            self._caught_up.clear()
        self._outgoing.set()

    def _give_up(self) -> None:
        """The client doesn't read: what waits is dropped, and it is told so if it ever does."""
        reaction = self._dialogue.give_up_slow_reader()
        self._outbox.clear()
        for message in reaction.replies:
            self._outbox.put(message)
        self._closing = self._closing or reaction.closing

    def _send_command(self, command: Command) -> None:
        match command:
            case Open():
                self._schedulers.open(self._stream_id, command, self._deliver)
            case _:
                self._schedulers.post(self._stream_id, command)
