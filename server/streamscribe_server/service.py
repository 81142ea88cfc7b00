"""What one server process holds: the models, the engine thread and the open connections."""

import asyncio
import logging
import secrets
import time

from starlette.websockets import WebSocket

from streamscribe_server.catalogue import Catalogue
from streamscribe_server.connection import Connection
from streamscribe_server.limits import Limits
from streamscribe_server.schedulers import Schedulers

logger = logging.getLogger(__name__)

_STOP_S = 5.0
"""Wait for the model call in progress when the process ends; calls take well under a second."""


class Service:
    """Admits connections and takes them down again. All methods run on the event loop."""

    def __init__(self, catalogue: Catalogue, limits: Limits, schedulers: Schedulers) -> None:
        self.catalogue = catalogue
        self.limits = limits
        self._schedulers = schedulers
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._started_s = time.monotonic()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began to serve."""
        return time.monotonic() - self._started_s

    def unready_because(self) -> str | None:
        """Why no stream would be admitted now, in words; None: one would be."""
        if self._draining:
            return "the server is going down"
        if self.connections >= self.limits.max_sessions:
            return f"{self.connections} streams are open; allowed: {self.limits.max_sessions}"
        return self._schedulers.refusal()

    async def start(self) -> None:
        """Warm the models up and start the engine. Raises what a model raises."""
        await asyncio.to_thread(self._schedulers.start)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one admitted client until it is gone."""
        stream_id = secrets.token_hex(6)
        connection = Connection(websocket, stream_id, self.catalogue, self._schedulers, self.limits)
        self._connections.add(connection)
        self._empty.clear()
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._empty.set()

    async def drain(self) -> None:
        """Admit nobody, finish every stream, and wait until all are gone or time is up."""
        if self._draining:
            return
        self._draining = True
        logger.info("draining %d streams, at most %g s", self.connections, self.limits.drain_s)
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(self.limits.drain_s):
                await self._empty.wait()
        except TimeoutError:
            logger.warning("%d streams did not finish in time and are cut", self.connections)

    async def stop(self) -> None:
        """End the engine thread."""
        if not await asyncio.to_thread(self._schedulers.stop, _STOP_S):
            logger.error("the engine is still in a model call after %g s", _STOP_S)
