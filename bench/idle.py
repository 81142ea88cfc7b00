"""A thousand connected streams in which nobody speaks, and one in which somebody does.

Each idle stream has sent ``start``, and a tenth of a second of silence from time to time, as a
muted microphone's program does that must not be taken for dead. Memory is the server's resident
set before and after they came, by stream. The live stream is played twice: alone, and among them.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import click

from bench.command import Request, bench_command
from bench.corpus import silence
from bench.live import to_pcm
from bench.outcome import Figures, Grid, Outcome
from bench.resident import Resident
from bench.stream_load import SEED, span, speech_programme
from streamscribe_cli.load.file_limit import allow_sockets
from streamscribe_cli.load.load import Load, LoadPlan
from streamscribe_cli.load.programme import Programme
from streamscribe_cli.load.report import figures_of
from streamscribe_cli.server_process import local_server
from streamscribe_client import AsyncStream, ServerBusy, connect_async

AT_ONCE: Final = 20
"""Connections that are opened at the same time."""
SILENCE_EVERY_S: Final = 20.0
SETTLED_S: Final = 5.0
CONNECT_MAX_S: Final = 30.0
AGAIN_AFTER_S: Final = 1.0
"""A server can't know that a new stream will be silent, and takes only so many at once."""
ALL_CONNECTED_MAX_S: Final = 180.0


@bench_command("idle")
@click.option("--streams", type=click.IntRange(1), default=1_000, show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(1), default=60.0, show_default=True,
    help="Counted part of the live stream, alone and among the idle ones.",
)  # fmt: skip
def main(request: Request, streams: int, seconds: float) -> Outcome:
    """Memory of a thousand idle streams, and a live one's delays among them."""
    allow_sockets(streams + 1)  # the server inherits it
    programme = speech_programme(request)
    room = ("--max-sessions", str(streams + 2), "--opens-per-minute", str(streams + 100))
    with (
        local_server("--log-level", "warning", *room) as server,
        Resident(server.process.pid) as resident,
    ):
        figures = asyncio.run(_measure(server.url, programme, streams, seconds, resident))
        figures["alive_afterwards"] = int(server.process.poll() is None)
    rows = (
        ("memory of an idle stream, MB", f"{figures['per_stream_mb']:.3f}"),
        ("idle streams that broke", str(figures["broken"])),
        ("live stream alone, finals, p50 / p95, s", _finals(figures["alone"])),
        ("live stream among them, finals, p50 / p95, s", _finals(figures["among"])),
    )
    return Outcome(figures, (Grid(f"{streams} idle streams", ("what", "value"), rows),))


async def _measure(
    url: str, programme: Programme, streams: int, seconds: float, resident: Resident
) -> Figures:
    plan = LoadPlan(url=url, streams=1, seconds=seconds, ramp_s=0, seed=SEED)
    alone = await _live(plan, programme)
    before_mb = resident.now_mb()
    async with _idle(url, streams) as idle:
        await asyncio.sleep(SETTLED_S)
        after_mb = resident.now_mb()
        among = await _live(plan, programme)
        late_mb = resident.now_mb()
        broken = sum(task.done() for task in idle)
    return {
        "idle_streams": streams,
        "before_mb": before_mb,
        "after_mb": after_mb,
        "per_stream_mb": (after_mb - before_mb) / streams,
        "per_stream_late_mb": (late_mb - before_mb) / streams,
        "broken": broken,
        "alone": alone,
        "among": among,
    }


async def _live(plan: LoadPlan, programme: Programme) -> Figures:
    load = Load(plan, programme)
    await load.run()
    figures = figures_of(load)
    del figures["by_stream"]
    return figures


@asynccontextmanager
async def _idle(url: str, streams: int) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Open streams, and the tasks that keep them; a task that is done has lost its stream."""
    async with AsyncExitStack() as stack:
        opened: list[AsyncStream] = []
        until_s = time.monotonic() + ALL_CONNECTED_MAX_S
        while len(opened) < streams:
            group = range(min(AT_ONCE, streams - len(opened)))
            contexts = [connect_async(url, timeout_s=CONNECT_MAX_S, resume=False) for _ in group]
            came = await asyncio.gather(
                *map(stack.enter_async_context, contexts), return_exceptions=True
            )
            opened += [one for one in came if isinstance(one, AsyncStream)]
            failures = [one for one in came if isinstance(one, BaseException)]
            if failures:
                patient = isinstance(failures[0], ServerBusy) and time.monotonic() < until_s
                if not patient:
                    raise failures[0]
                await asyncio.sleep(AGAIN_AFTER_S)
        keeping = [asyncio.create_task(_keep(stream)) for stream in opened]
        try:
            yield keeping
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


async def _keep(stream: AsyncStream) -> None:
    """Say nothing, now and then. Raises what ends the stream."""
    pcm = to_pcm(silence(0.1))
    while True:
        await stream.send(pcm)
        await asyncio.sleep(SILENCE_EVERY_S)


def _finals(figures: object) -> str:
    assert isinstance(figures, dict)
    return span(figures["finals"])


if __name__ == "__main__":
    main()
