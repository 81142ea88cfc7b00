"""What uvicorn leaves open to clients that mean no good, or know no better.

- A connection must say what it wants within a time, and only so many may be about to.
- An opening request that the WebSocket layer refuses to read is answered, not left hanging.
- A text frame that is not UTF-8 is the client's mistake: it is told so, and no traceback logged.
- Answers to pings don't pile up for a client that doesn't read them.
- A message has a bounded number of fragments; their bytes are bounded by ``ws_max_size``.

Proven by ``tests/server/test_wire_guards.py`` and ``python -m bench fuzz``.
"""

import asyncio
import logging
from http import HTTPStatus

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from streamscribe_server.limits import Limits

logger = logging.getLogger(__name__)

_UNREADABLE = (
    f"HTTP/1.1 {HTTPStatus.BAD_REQUEST.value} {HTTPStatus.BAD_REQUEST.phrase}\r\n"
    "Connection: close\r\nContent-Length: 0\r\n\r\n"
).encode()


class Handshakes:
    """Connections whose request is not complete. Runs on the event loop alone."""

    def __init__(self, timeout_s: float, most: int) -> None:
        """``most`` wait at once: one more, and the one that waits longest is cut off."""
        self._timeout_s = timeout_s
        self._most = most
        self._timers: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def begin(self, transport: asyncio.Transport) -> None:
        """A request is awaited from now on, if it was not before."""
        if transport in self._timers:
            return
        if len(self._timers) >= self._most:
            self._cut(next(iter(self._timers)))
        loop = asyncio.get_running_loop()
        self._timers[transport] = loop.call_later(self._timeout_s, self._cut, transport)

    def end(self, transport: asyncio.Transport) -> None:
        """The request is there, or the connection gone."""
        timer = self._timers.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def _cut(self, transport: asyncio.Transport) -> None:
        logger.debug("%s sent no complete request", transport.get_extra_info("peername"))
        self.end(transport)
        transport.abort()


class GuardedHttp(H11Protocol):
    """One connection until it becomes a WebSocket. ``guarded_http`` makes the class to use."""

    handshakes: Handshakes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's; a request is awaited."""
        super().connection_made(transport)
        self.handshakes.begin(transport)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; a part of a request does not buy time."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.handshakes.begin(self.transport)
        else:
            self.handshakes.end(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self.handshakes.end(self.transport)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """As uvicorn's; who is answered before the end of a request need not go on with it."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """One connection from its upgrade on. ``guarded_websocket`` makes the class to use."""

    max_fragments: int

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; the first data is a whole request."""
        super().data_received(data)
        if not self.handshake_initiated:
            self.transport.write(_UNREADABLE)
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's, but quiet about a client that goes before it is accepted."""
        if message["type"] == "websocket.accept" and self.transport.is_closing():
            self.handshake_complete = True  # there is nobody to complete it with
            return
        await super().send(message)
        if self.close_sent:  # by refusing the handshake, which uvicorn takes for leaving it open
            self.handshake_complete = True

    def handle_ping(self) -> None:
        """Answer, unless answers wait already; a later ping's answer stands for this one's too."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # taken out, and dropped

    def handle_cont(self, event: Frame) -> None:
        """As uvicorn's, up to a number."""
        if len(self.frames) >= self.max_fragments:
            self.frames = []
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"more than {self.max_fragments} fragments")
        elif not self.close_sent:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """As uvicorn's, but quiet about text that is not UTF-8."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError as error:
                self.frames = []
                self._fail(CloseCode.INVALID_DATA, f"text is not UTF-8 at byte {error.start}")
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """As uvicorn's; from now on, sending is sending to nobody and no error of ours."""
        super().handle_parser_exception()
        self.disconnected = True

    def _fail(self, code: CloseCode, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()


def guarded_http(limits: Limits) -> type[asyncio.Protocol]:
    """What uvicorn is to make of every new connection."""

    class Http(GuardedHttp):
        handshakes = Handshakes(limits.handshake_timeout_s, limits.max_handshakes)

    return Http


def guarded_websocket(limits: Limits) -> type[asyncio.Protocol]:
    """What uvicorn is to make of a connection that asks to be a WebSocket."""

    class WebSocket(GuardedWebSocket):
        max_fragments = limits.max_fragments

    return WebSocket
