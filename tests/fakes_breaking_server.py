"""A server of the native protocol whose connections break, and clients on a clock of their own."""

import asyncio
import socket as sockets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Unpack

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from fakes_wire_server import READY, Script, answer_start, read_to_finish
from streamscribe_client.async_client import AsyncStream, open_stream
from streamscribe_client.events import StreamEvent
from streamscribe_client.stream_options import ConnectOptions
from streamscribe_client.surroundings import Surroundings
from streamscribe_client.websocket import WebSocket, open_websocket
from streamscribe_protocol.messages import Done, Resume, Start, decode_client_message, encode

WAIT_S = 20
"""Bound of a use that ends at once unless the test fails."""


@dataclass(frozen=True)
class Refusal:
    """An answer to a handshake."""

    status: int
    retry_after_s: int | None = None


@contextmanager
def breaking_server(*connections: Script | Refusal) -> Iterator[str]:
    """The address of a server that does these, one connection after the other, then 404."""
    to_come = list(connections)
    current: list[Script] = []

    def take(_socket: ServerConnection, _request: Request) -> Response | None:
        following = to_come.pop(0) if to_come else Refusal(404)
        if isinstance(following, Refusal):
            headers = Headers({"Content-Length": "0"})
            if following.retry_after_s is not None:
                headers["Retry-After"] = str(following.retry_after_s)
            return Response(following.status, "refused", headers, b"")
        current[:] = [following]
        return None

    def run(socket: ServerConnection) -> None:
        current[0](socket)

    server = serve(run, "127.0.0.1", 0, compression=None, process_request=take)
    thread = threading.Thread(target=server.serve_forever)
    with server:
        thread.start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def cut(socket: ServerConnection) -> None:
    """Break the connection without a farewell."""
    socket.socket.shutdown(sockets.SHUT_RDWR)


def answer_resume(
    socket: ServerConnection,
    resumed: Literal["continued", "fresh"] = "continued",
    *,
    at: int | None = None,
    session: str = "s-1",
) -> Resume:
    """Go on from sample ``at``, or from where the client offers to."""
    start = decode_client_message(str(socket.recv()))
    assert isinstance(start, Start)
    assert start.resume is not None
    at = start.resume.from_at if at is None else at
    ready = replace(
        READY, seq=start.resume.last_seq, resumed=resumed, send_from_at=at, session=session
    )
    socket.send(encode(ready))
    return start.resume


@dataclass
class Time:
    """Passes only where somebody sleeps, and then at once."""

    slept_s: list[float] = field(default_factory=list)

    def now_s(self) -> float:
        return sum(self.slept_s)

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)

    def surroundings(
        self, dial: Callable[[str, float], "asyncio.Future[WebSocket]"] | None = None
    ) -> Surroundings:
        return Surroundings(
            dial=dial or open_websocket, now_s=self.now_s, sleep=self.sleep, chance=lambda: 0.0
        )


@asynccontextmanager
async def connected(
    address: str, surroundings: Surroundings | None = None, **options: Unpack[ConnectOptions]
) -> AsyncIterator[AsyncStream]:
    """``connect_async``, with time and chance of the test's own."""
    stream = await open_stream(address, 5.0, options, surroundings or Time().surroundings())
    try:
        yield stream
    finally:
        await stream.close()


def with_stream(
    use: Callable[[AsyncStream], Awaitable[None]], *connections: Script | Refusal, time: Time
) -> None:
    """Run ``use`` on a stream to a server whose connections are these."""

    async def run(address: str) -> None:
        async with asyncio.timeout(WAIT_S), connected(address, time.surroundings()) as stream:
            await use(stream)

    with breaking_server(*connections) as address:
        asyncio.run(run(address))


def break_at_once(socket: ServerConnection) -> None:
    """A first connection that is good for nothing else."""
    answer_start(socket)
    cut(socket)


def end_well(socket: ServerConnection) -> None:
    """A later connection, on which all goes well."""
    resume = answer_resume(socket)
    read_to_finish(socket)
    socket.send(encode(Done(resume.last_seq + 1, 0)))


async def finished(stream: AsyncStream) -> list[StreamEvent]:
    """All events that are still to come, after the end of the audio."""
    await stream.finish()
    return [event async for event in stream]
