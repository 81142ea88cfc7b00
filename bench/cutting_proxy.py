"""A TCP proxy whose connections can be cut at any moment, as networks do it.

Knows nothing of what goes through. It runs on the event loop of whoever starts it, or on a thread
of its own (``cutting_proxy``), for callers without a loop.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_BYTES = 64 << 10


class CuttingProxy:
    """Listens on the loopback and hands on to ``host:port``; all methods are for its loop."""

    def __init__(self, host: str, port: int) -> None:
        self.connections = 0
        """Accepted so far."""
        self.reachable = True
        """False: what connects is cut at once."""
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._frozen: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        assert self._server is not None, "stop comes after start"
        self._server.close()
        self.cut_all()

    def aim(self, host: str, port: int) -> None:
        """Hand new connections on to another place."""
        self._target = (host, port)

    def cut_all(self) -> None:
        """Break every connection on both sides, without a farewell."""
        for writer in self._open:
            writer.transport.abort()

    def freeze_all(self) -> None:
        """From now on nothing goes through what is open, and nobody is told: half open."""
        self._frozen |= self._open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with self._opened(writer), contextlib.suppress(OSError):  # nobody listens there
            if self.reachable:
                onward_reader, onward = await asyncio.open_connection(*self._target)
                with self._opened(onward):
                    await asyncio.gather(
                        self._carry(reader, onward), self._carry(onward_reader, writer)
                    )

    @contextmanager
    def _opened(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            self._open.discard(writer)
            self._frozen.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                if writer not in self._frozen:
                    writer.write(data)
                    await writer.drain()
            if not writer.transport.is_closing():
                writer.write_eof()
        except OSError:  # cut, by us or by one of the two
            writer.transport.abort()


class ProxyThread:
    """The proxy for callers on other threads."""

    def __init__(self, host: str, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = CuttingProxy(host, port)
        self._thread = threading.Thread(target=self._loop.run_forever, name="cutting-proxy")
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop)
        self.port = started.result()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Accepted so far."""
        return self._proxy.connections

    def cut_all(self) -> None:
        """Break every connection on both sides, without a farewell."""
        self._loop.call_soon_threadsafe(self._proxy.cut_all)

    def freeze_all(self) -> None:
        """From now on nothing goes through what is open, and nobody is told: half open."""
        self._loop.call_soon_threadsafe(self._proxy.freeze_all)

    def shut(self) -> None:
        """Let nobody through, until ``open``."""
        self._loop.call_soon_threadsafe(setattr, self._proxy, "reachable", False)

    def open(self) -> None:
        """Let everybody through."""
        self._loop.call_soon_threadsafe(setattr, self._proxy, "reachable", True)

    def aim(self, host: str, port: int) -> None:
        """Hand new connections on to another place."""
        self._loop.call_soon_threadsafe(self._proxy.aim, host, port)

    def stop(self) -> None:
        """End the proxy and its thread."""
        asyncio.run_coroutine_threadsafe(self._proxy.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def cutting_proxy(host: str, port: int) -> Iterator[ProxyThread]:
    """A proxy to ``host:port`` on a thread of its own, while the block runs."""
    proxy = ProxyThread(host, port)
    try:
        yield proxy
    finally:
        proxy.stop()
