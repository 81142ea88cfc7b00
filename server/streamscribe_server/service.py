"""What one server process holds: the models, the engine thread and the open connections."""

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass

from starlette.websockets import WebSocket

from streamscribe_server.catalogue import Catalogue
from streamscribe_server.connection import Connection
from streamscribe_server.limits import Limits
from streamscribe_server.metrics import Metrics
from streamscribe_server.scheduler import Scheduler

logger = logging.getLogger(__name__)

_STOP_S = 5.0
"""Wait for the model call in progress when the process ends; calls take well under a second."""


@dataclass(frozen=True, slots=True)
class Unready:
    """Why no stream is admitted."""

    reason: str
    """One word, for counting."""
    message: str


class Service:
    """Admits connections and takes them down again. All methods run on the event loop."""

    def __init__(
        self,
        catalogue: Catalogue,
        limits: Limits,
        scheduler: Scheduler,
        metrics: Metrics | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.limits = limits
        self.metrics = metrics or Metrics()
        self._scheduler = scheduler
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

    def unready_because(self) -> Unready | None:
        """Why no stream would be admitted now; None: one would be."""
        if self._draining:
            return Unready("draining", "the server is going down")
        if not self._scheduler.alive:
            return Unready("stopped", "the engine is not running")
        if self.connections >= self.limits.max_sessions:
            allowed = self.limits.max_sessions
            return Unready("full", f"{self.connections} streams are open; allowed: {allowed}")
        lag_s = self._scheduler.lag_s
        if lag_s > self.limits.overload_lag_s:
            allowed_s = self.limits.overload_lag_s
            said = f"transcription is {lag_s:.1f} s late; allowed: {allowed_s:g} s"
            return Unready("late", said)
        return None

    async def start(self) -> None:
        """Warm the models up and start the engine. Raises what a model raises."""
        await asyncio.to_thread(self._scheduler.start)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one admitted client until it is gone."""
        stream_id = secrets.token_hex(6)
        connection = Connection(
            websocket, stream_id, self.catalogue, self._scheduler, self.limits, self.metrics
        )
        self._connections.add(connection)
        self.metrics.sessions(live=self.connections, parked=0)
        self._empty.clear()
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self.metrics.sessions(live=self.connections, parked=0)
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
        if not await asyncio.to_thread(self._scheduler.stop, _STOP_S):
            logger.error("the engine is still in a model call after %g s", _STOP_S)
