"""A WebSocket without manners: writes whatever bytes it is told to and notes what comes back.

A real client library refuses to send what is wrong; this one sends nothing else. Reading and
writing are independent, so that a server's last words are read even when it takes no more bytes.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""Any 16 bytes in base64 do as a key."""
_READ_BYTES: Final = 65_536
_MOST_HEAD_BYTES: Final = 65_536


class End(StrEnum):
    """How a connection ended, as this side saw it."""

    OPEN = "open"  # it has not ended yet
    CLOSED = "closed"  # orderly, after whatever was said
    RESET = "reset"  # by the other side, in the middle of something


@dataclass(slots=True)
class Answer:
    """All that a server said on one connection."""

    status: int | None = None
    """Of the handshake; None: there was no answer."""
    head: str = ""
    messages: list[str | bytes] = field(default_factory=list)
    close_code: int | None = None
    """None: no close frame came. 1005: one without a code."""
    end: End = End.OPEN
    broken: str | None = None
    """Why what came could not be read as frames."""


def handshake(host: str, path: str, *extra: str) -> bytes:
    """A correct opening request, with ``extra`` header lines."""
    lines = (
        f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *extra, "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode("latin-1")


def wire_frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = b"\x00\x00\x00\x00",
    declared_bytes: int | None = None,
) -> bytes:
    """A frame's bytes. ``opcode`` 0 to 15, ``reserved`` 0 to 7; ``mask`` None: not masked.

    ``declared_bytes``: length that the head tells; that of ``payload`` unless given.
    """
    length = len(payload) if declared_bytes is None else declared_bytes
    masked = 0x80 if mask is not None else 0
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if length < 126:
        head += bytes([masked | length])
    elif length < 1 << 16:
        head += bytes([masked | 126]) + struct.pack("!H", length)
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", length)
    return head + (b"" if mask is None else mask + _masked(payload, mask))


def _masked(payload: bytes, mask: bytes) -> bytes:
    if not any(mask) or not payload:
        return payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload) ^ int.from_bytes(key)
    return mixed.to_bytes(len(payload))


class RawSocket:
    """One TCP connection. ``raw_socket`` makes it."""

    def __init__(self, connection: socket.socket) -> None:
        self.answer = Answer()
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._incoming = StreamReader()
        self._upgraded = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def write(self, octets: bytes, patience_s: float) -> bool:
        """Send all of it; False when the other side doesn't take it, or not in time."""
        try:
            async with asyncio.timeout(patience_s):
                await self._loop.sock_sendall(self._socket, octets)
        except (TimeoutError, OSError):
            return False
        return True

    async def upgraded(self, patience_s: float) -> bool:
        """Wait for the answer to the handshake; True: frames may be sent now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._upgraded.wait()
        return self.answer.status == 101

    async def ended(self, patience_s: float) -> bool:
        """Wait until the other side has ended the connection."""
        done, _ = await asyncio.wait([self._reader], timeout=patience_s)
        return bool(done)

    def stop_reading(self) -> None:
        """Leave what comes where it is, from now on."""
        self._reader.cancel()

    async def vanish(self) -> None:
        """End without a word: a reset, no close frame."""
        self._reader.cancel()
        await asyncio.wait([self._reader])
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    async def _read(self) -> None:
        parser = self._parse()
        next(parser)
        try:
            while data := await self._loop.sock_recv(self._socket, _READ_BYTES):
                self._incoming.feed_data(data)
                next(parser)
            self.answer.end = End.CLOSED
        except OSError:
            self.answer.end = End.RESET
        except (ProtocolError, StopIteration, ValueError) as error:
            self.answer.broken = f"{type(error).__name__}: {error}"
        finally:
            self._upgraded.set()

    def _parse(self) -> Generator[None, None, None]:
        """Takes in what ``_incoming`` holds, whenever it is gone on with."""
        yield from self._head()
        while True:
            frame = yield from Frame.parse(self._incoming.read_exact, mask=False)
            match frame.opcode:
                case Opcode.TEXT:
                    self.answer.messages.append(bytes(frame.data).decode())
                case Opcode.BINARY | Opcode.CONT:
                    self.answer.messages.append(bytes(frame.data))
                case Opcode.CLOSE if self.answer.close_code is None:
                    self.answer.close_code = int(Close.parse(frame.data).code)

    def _head(self) -> Generator[None, None, None]:
        status = 100
        while status == 100:  # "go on" is no answer yet
            status = yield from self._status()
        self.answer.status = status
        self._upgraded.set()
        while status != 101:  # the body of a refusal says nothing to machines
            yield from self._incoming.read_exact(1)

    def _status(self) -> Generator[None, None, int]:
        lines: list[str] = []
        while not lines or lines[-1]:
            line = yield from self._incoming.read_line(_MOST_HEAD_BYTES)
            lines.append(bytes(line).decode("latin-1").strip())
        self.answer.head = "\n".join(lines)
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"the answer starts with {lines[0]!r}")
        return int(rest[:3])


@asynccontextmanager
async def raw_socket(host: str, port: int, send_buffer_bytes: int = 0) -> AsyncIterator[RawSocket]:
    """A connection that vanishes when the block ends. Raises ``OSError``."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    if send_buffer_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, send_buffer_bytes)
    try:
        async with asyncio.timeout(10):
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except BaseException:
        connection.close()
        raise
    raw = RawSocket(connection)
    try:
        yield raw
    finally:
        await raw.vanish()
