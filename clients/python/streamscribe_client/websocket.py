"""A WebSocket as the client needs it, with failures told in the client's own words."""

import asyncio
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from streamscribe_client.errors import NO_CLOSE_FRAME, ConnectionFailed, ServerBusy
from streamscribe_protocol.errors import LocalProtocolError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.http11 import Response

PING_TIMEOUT_S = 120
"""A live server may be this late with its answer to a ping: the ping stands in line behind audio
that a loaded server has not read yet."""
CLOSE_TIMEOUT_S = 2
"""Longest wait for the server's part in closing."""

API_KEY = "STREAMSCRIBE_API_KEY"
"""Environment variable with the key to show where the caller gives none."""

BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
"""Answers to a handshake that mean: later."""


class Closed(Exception):
    """The connection is closed; ``code`` and ``reason`` are those of the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"close code {code} {reason}")
        self.code = code
        self.reason = reason


class WebSocket:
    """An open connection. ``open_websocket`` makes it."""

    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection

    async def send(self, frame: str | bytes) -> None:
        """Send a text or binary frame; waits while the network is full. Raises ``Closed``."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise self._closed() from error

    async def receive(self) -> str | bytes:
        """The next text or binary frame. Raises ``Closed``."""
        from websockets.exceptions import ConnectionClosed

        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise self._closed() from error

    async def close(self, code: int) -> None:
        """Say farewell and close, whether the other side answers or not. May be called again."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close(code)
        except TimeoutError:  # the farewell stands behind audio that nobody reads
            await self.drop()

    async def drop(self) -> None:
        """Be done with a connection that is not worth a farewell. May be called again."""
        self._connection.transport.abort()
        await self._connection.wait_closed()

    def _closed(self) -> Closed:
        code = self._connection.close_code or NO_CLOSE_FRAME
        return Closed(code, self._connection.close_reason or "")


async def open_websocket(url: str, timeout_s: float, api_key: str | None = None) -> WebSocket:
    """A connection to ``url``. Raises ``ConnectionFailed``, ``ServerBusy``, ``LocalProtocolError``.

    ``api_key``: what to show to the server; None: what ``STREAMSCRIBE_API_KEY`` says.
    """
    from websockets.asyncio.client import connect  # here, so that importing us stays quick
    from websockets.exceptions import InvalidStatus, WebSocketException

    try:
        connection = await connect(
            url,
            additional_headers=_headers(os.environ.get(API_KEY) if api_key is None else api_key),
            open_timeout=timeout_s,
            ping_timeout=PING_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            compression=None,  # audio does not shrink, and trying costs time on both sides
        )
    except InvalidStatus as error:
        raise _refused(url, error.response) from error
    except TimeoutError as error:
        raise ConnectionFailed(url=url, reason=f"no answer within {timeout_s:g} s") from error
    except OSError as error:
        raise ConnectionFailed(url=url, reason=_reason(error)) from error
    except (WebSocketException, EOFError) as error:
        raise ConnectionFailed(url=url, reason=f"no WebSocket server: {error}") from error
    return WebSocket(connection)


def _headers(api_key: str | None) -> dict[str, str]:
    if not api_key:
        return {}
    if not api_key.isascii() or not api_key.isprintable():
        raise LocalProtocolError("the API key has characters that can't be sent; allowed: ASCII")
    return {"Authorization": f"Bearer {api_key}"}


def _reason(error: OSError) -> str:
    """In the system's words, also where several addresses of one name failed alike."""
    codes = set(re.findall(r"\[Errno (\d+)\]", str(error)))
    return os.strerror(int(codes.pop())) if len(codes) == 1 else error.strerror or str(error)


def _refused(url: str, response: "Response") -> ConnectionFailed | ServerBusy:
    if response.status_code not in BUSY:
        return ConnectionFailed.refused(url=url, status=response.status_code)
    advice = response.headers.get("Retry-After", "")
    return ServerBusy(retry_after_s=int(advice) if advice.isdecimal() else None)
