"""Memory of a server: with one live stream, per further idle one, after they leave, over time.

Resident set size of the whole process, sampled twice a second, medians of the last seconds of
each phase. The live stream is the packaged sample, over and over, as fast as it is spoken. An
idle stream has sent a second of silence.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from typing import Final

import click
import numpy as np
import psutil  # type: ignore[import-untyped]
import soundfile

from bench.command import Request, bench_command
from bench.corpus import silence
from bench.live import to_pcm
from bench.outcome import Figures, Grid, Outcome
from streamscribe_cli.check import SAMPLE
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_client import AsyncStream, connect_async

IDLE_STREAMS: Final = 50
MB: Final = 1_000_000
SAMPLE_EVERY_S: Final = 0.5
SETTLED_S: Final = 5.0
"""End of a phase that its median is taken over."""
BLOCK_S: Final = 0.1


@dataclass(slots=True)
class Gauge:
    """Sizes of one process over time."""

    process: psutil.Process
    began_s: float = field(default_factory=time.monotonic)
    at_s: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            self.at_s.append(time.monotonic() - self.began_s)
            self.mb.append(self.process.memory_info().rss / MB)
            await asyncio.sleep(SAMPLE_EVERY_S)

    def settled_mb(self) -> float:
        """Median of the newest seconds."""
        return float(np.median(self.mb[-round(SETTLED_S / SAMPLE_EVERY_S) :]))


@bench_command("memory", needs_speech=False)
@click.option(
    "--phase-s",
    type=click.FloatRange(10),
    default=20.0,
    show_default=True,
    help="Seconds of each phase; twice that for the first.",
)
@click.option(
    "--minutes", type=click.FloatRange(0), default=0.0, show_default=True,
    help="Go on that long with one live stream, and report the slope.",
)  # fmt: skip
def main(request: Request, phase_s: float, minutes: float) -> Outcome:
    """Resident memory of a server with one live stream and with many idle ones."""
    with local_server("--log-level", "warning") as server:
        figures = asyncio.run(_phases(server, phase_s, minutes))
    rows = [(name, f"{value:.2f}") for name, value in figures.items() if isinstance(value, float)]
    return Outcome(figures, (Grid("Memory of a server", ("what", "MB"), rows),))


async def _phases(server: ServerProcess, phase_s: float, minutes: float) -> Figures:
    gauge = Gauge(psutil.Process(server.process.pid))
    ready_mb = gauge.process.memory_info().rss / MB
    async with asyncio.TaskGroup() as tasks, connect_async(server.url) as live:
        background = [
            tasks.create_task(gauge.watch()),
            tasks.create_task(_speak(live)),
            tasks.create_task(_listen(live)),
        ]
        # The model's buffers grow until the sample was heard a few times.
        await asyncio.sleep(2 * phase_s)
        one_mb = gauge.settled_mb()
        async with AsyncExitStack() as idle:
            for _ in range(IDLE_STREAMS):
                stream = await idle.enter_async_context(connect_async(server.url))
                await stream.send(to_pcm(silence(1.0)))
            await asyncio.sleep(phase_s)
            many_mb = gauge.settled_mb()
        await asyncio.sleep(phase_s)
        figures: Figures = {
            "ready_mb": ready_mb,
            "one_stream_mb": one_mb,
            "with_idle_streams_mb": many_mb,
            "idle_streams": IDLE_STREAMS,
            "per_idle_stream_mb": (many_mb - one_mb) / IDLE_STREAMS,
            "after_they_left_mb": gauge.settled_mb(),
        }
        if minutes:
            first = len(gauge.mb)
            await asyncio.sleep(minutes * 60)
            slope, _ = np.polyfit(gauge.at_s[first:], gauge.mb[first:], 1)
            figures |= {"slope_minutes": minutes, "slope_mb_per_minute": float(slope) * 60}
        figures["most_mb"] = max(gauge.mb)
        for task in background:
            task.cancel()
    return figures


async def _speak(stream: AsyncStream) -> None:
    with as_file(files("streamscribe_cli") / "samples" / SAMPLE) as path:
        samples, rate = soundfile.read(path, dtype="float32")
    pcm = to_pcm(np.concatenate((samples, silence(1.0))))
    async for block in _paced(pcm, round(BLOCK_S * rate) * 2):
        await stream.send(block)


async def _paced(pcm: bytes, block_bytes: int) -> AsyncIterator[bytes]:
    """Blocks of ``pcm``, over and over, each when it has been spoken."""
    starts = itertools.cycle(range(0, len(pcm), block_bytes))
    due_s = time.monotonic()
    for start in starts:
        block = pcm[start : start + block_bytes]
        due_s += BLOCK_S * len(block) / block_bytes
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        yield block


async def _listen(stream: AsyncStream) -> None:
    async for _ in stream:
        pass


if __name__ == "__main__":
    main()
