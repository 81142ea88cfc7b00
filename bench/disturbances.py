"""What happens to streams on purpose: connections are cut, servers are killed."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from bench.cutting_proxy import CuttingProxy
from streamscribe_cli.server_process import ServerProcess, local_server

SERVER: Final = ("--log-level", "warning")
SILENT_SHARE: Final = 0.15
"""Of the cuts, those that nobody is told of."""


@dataclass(slots=True)
class Stage:
    """One server at a time, and a proxy for every session."""

    proxies: list[CuttingProxy]
    ports: list[int] = field(default_factory=list)
    server: ServerProcess | None = None
    servers: int = 0
    logged: list[str] = field(default_factory=list)
    """Errors and tracebacks of all servers so far."""
    _running: ExitStack = field(default_factory=ExitStack)

    async def begin(self) -> None:
        """Start a server and send everybody there."""
        self.server = await asyncio.to_thread(self._running.enter_context, local_server(*SERVER))
        self.servers += 1
        address = urlsplit(self.server.url)
        for proxy in self.proxies:
            proxy.aim(str(address.hostname), address.port or 0)

    async def end(self) -> None:
        """Kill the server."""
        assert self.server is not None, "no server was begun"
        self.server.process.kill()
        lines = self.server.log().splitlines()
        self.logged += [line for line in lines if " ERROR " in line or "Traceback" in line]
        await asyncio.to_thread(self._running.close)

    async def listen(self) -> None:
        """Let the proxies listen."""
        self.ports = [await proxy.start() for proxy in self.proxies]


@dataclass(slots=True)
class Cutting:
    """Cuts one session's connection after the other, at random moments."""

    per_minute: float
    seed: int
    done: Counter[str] = field(default_factory=Counter)

    async def disturb(self, stage: Stage) -> None:
        """Until cancelled."""
        random = Random(self.seed)
        while True:
            await asyncio.sleep(random.expovariate(self.per_minute / 60))
            proxy = random.choice(stage.proxies)
            if random.random() < SILENT_SHARE:
                proxy.freeze_all()
                self.done["silent"] += 1
            else:
                proxy.cut_all()
                self.done["cut"] += 1


@dataclass(slots=True)
class Killing:
    """Kills the server as soon as it is so old, and starts another."""

    every_s: float
    done: Counter[str] = field(default_factory=Counter)

    async def disturb(self, stage: Stage) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.every_s)
            await asyncio.shield(asyncio.create_task(self._replace(stage)))

    async def _replace(self, stage: Stage) -> None:
        await stage.end()
        await stage.begin()
        self.done["killed"] += 1
