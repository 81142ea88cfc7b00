"""What one server process holds: the models, the engine thread and the open connections."""

import asyncio
import logging
import time
from dataclasses import dataclass

from starlette.websockets import WebSocket

from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Start
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.connection import Connection
from streamscribe_server.hosted_session import HangUp, HostedSession
from streamscribe_server.limits import Limits
from streamscribe_server.metrics import Metrics
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.sessions import Sessions
from streamscribe_server.start_terms import Refused

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
        schedulers: Schedulers,
        metrics: Metrics | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.limits = limits
        self.metrics = metrics or Metrics()
        self._schedulers = schedulers
        self._sessions = Sessions(catalogue, schedulers, limits, self.metrics)
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

    @property
    def sessions(self) -> Sessions:
        """Every session, with a client or without."""
        return self._sessions

    def unready_because(self) -> Unready | None:
        """Why no new stream would be admitted now; None: one would be."""
        return self._unready_because(self._sessions.streams + self._greeting)

    def shut_because(self) -> Unready | None:
        """Why no connection is accepted now; None: one is.

        While clients may come back, as many are let in as do, whatever the load: each has its
        place already. What a connection wants is known when it says ``start``.
        """
        unready = self.unready_because()
        may_pass = unready is not None and unready.reason in ("full", "late")
        return None if may_pass and self._greeting < self._sessions.awaited else unready

    @property
    def _greeting(self) -> int:
        """Connections that talk for no session."""
        return self.connections - self._sessions.attached

    def _unready_because(self, streams: int) -> Unready | None:
        if self._draining:
            return Unready("draining", "the server is going down")
        if streams >= self.limits.max_sessions:
            allowed = self.limits.max_sessions
            return Unready("full", f"{streams} streams are open; allowed: {allowed}")
        refusal = self._schedulers.refusal()
        return Unready("late", refusal) if refusal is not None else None

    def count(self) -> None:
        """Tell the metrics how many sessions there are now; parked ones end by themselves."""
        self.metrics.sessions(live=self.connections, parked=self._sessions.parked)

    async def start(self) -> None:
        """Warm the models up and start the engine. Raises what a model raises."""
        await asyncio.to_thread(self._schedulers.start)

    async def serve(self, websocket: WebSocket, key_id: str | None = None) -> None:
        """Serve one admitted client until it is gone. ``key_id``: API key that it has shown."""

        def host(start: Start, hang_up: HangUp) -> HostedSession:
            return self._host(start, key_id, hang_up)

        connection = Connection(websocket, host, self._sessions.leave, self.limits, self.metrics)
        self._connections.add(connection)
        self.count()
        self._empty.clear()
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self.count()
            if not self._connections:
                self._empty.set()

    async def drain(self) -> None:
        """Admit nobody, finish every stream, and wait until all are gone or time is up."""
        if self._draining:
            return
        self._draining = True
        logger.info("draining %d streams, at most %g s", self.connections, self.limits.drain_s)
        self._sessions.drain()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(self.limits.drain_s):
                await self._empty.wait()
        except TimeoutError:
            logger.warning("%d streams did not finish in time and are cut", self.connections)

    def _host(self, start: Start, key_id: str | None, hang_up: HangUp) -> HostedSession:
        """The session that ``start`` asks for. Raises ``Refused``."""
        restart = None
        if start.resume is not None:
            found = self._sessions.go_on(start, key_id, hang_up)
            self.metrics.resumed("continued" if isinstance(found, HostedSession) else found.reason)
            if isinstance(found, HostedSession):
                return found
            restart = found
        unready = self._unready_because(self._sessions.streams)
        if unready is not None:
            self.metrics.refused(unready.reason)
            advice = f"retry after {self.limits.retry_after_s} s"
            raise Refused("overloaded", unready.message, CloseCode.OVERLOADED, advice)
        return self._sessions.open(start, key_id, restart, hang_up)

    async def stop(self) -> None:
        """End the engine thread."""
        if not await asyncio.to_thread(self._schedulers.stop, _STOP_S):
            logger.error("the engine is still in a model call after %g s", _STOP_S)
