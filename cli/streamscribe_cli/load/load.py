"""Many streams at once from one event loop, and the part of the time that counts.

::

    began            counts from          counts until            stop
    |---- ramp ----|-- settle --|------------ seconds ------------|-- tail --|-- finish, drain --|

What the load shows is about audio due in the counted part. Streams go on a little longer, so that
the last answers of that part come under full load.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streamscribe_cli.latency import PACKETS_PER_S
from streamscribe_cli.load.player import CONNECT_MAX_S, Part, Player, State, packet_len
from streamscribe_cli.load.programme import Programme
from streamscribe_client import connect_async
from streamscribe_client.stream_options import ConnectOptions
from streamscribe_protocol.messages import EffectiveOptions

SETTLE_S: Final = 3.0
"""After the last stream began: its first words are still under way."""
TAIL_S: Final = 2.0
PACKET_MS: Final = 1_000 // PACKETS_PER_S
WATCH_S: Final = 1.0
"""How often whoever watches is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What a load is to be."""

    url: str
    streams: int
    seconds: float
    """Of the counted part."""
    ramp_s: float
    """The streams begin evenly spread over this."""
    packet_ms: int = PACKET_MS
    seed: int = 0
    options: ConnectOptions = field(default_factory=ConnectOptions)


class Load:
    """One run of a plan. Its state may be read while it runs, from the same event loop."""

    def __init__(self, plan: LoadPlan, programme: Programme) -> None:
        self.plan = plan
        self.began_s = time.monotonic()
        self.counts_from_s = self.began_s + plan.ramp_s + SETTLE_S
        self.counts_until_s = self.counts_from_s + plan.seconds
        self.stopped_early = False
        self.cores = 0.0
        """Processor time of this process by time of the run: what the generator itself takes."""
        starts = programme.starts(plan.streams, plan.seed)
        self.players = [
            Player(
                index,
                Part(
                    url=plan.url,
                    options=plan.options,
                    packets=programme.packets(start_at, packet_len(plan.packet_ms)),
                    packet_ms=plan.packet_ms,
                    start_s=self.began_s + plan.ramp_s * index / plan.streams,
                    stop_s=self.counts_until_s + TAIL_S,
                ),
            )
            for index, start_at in enumerate(starts)
        ]

    @property
    def passed_s(self) -> float:
        """Since the load began."""
        return time.monotonic() - self.began_s

    def counts(self, due_s: float) -> bool:
        """Whether an answer to audio that was due then is counted."""
        return self.counts_from_s <= due_s < self.counts_until_s

    def count(self, state: State) -> int:
        """How many streams are in a state."""
        return sum(player.state is state for player in self.players)

    async def run(self, hopeless: Callable[["Load"], bool] = lambda load: False) -> None:
        """Play all streams to their ends, or until ``hopeless`` says yes."""
        cpu_s, began_s = time.process_time(), time.monotonic()
        playing = {asyncio.create_task(player.play()) for player in self.players}
        try:
            while not all(task.done() for task in playing):
                await asyncio.wait(playing, timeout=WATCH_S)
                if hopeless(self):
                    self.stopped_early = not all(task.done() for task in playing)
                    break
        finally:
            for task in playing:
                task.cancel()
            await asyncio.wait(playing)  # each closes its connection first
        for task in playing:
            if not task.cancelled():
                task.result()
        self.cores = (time.process_time() - cpu_s) / (time.monotonic() - began_s)


async def probe(url: str, options: ConnectOptions) -> EffectiveOptions:
    """The options that a stream would have. Raises what stands in the way of one stream."""
    async with connect_async(url, timeout_s=CONNECT_MAX_S, **options) as stream:
        return stream.options
