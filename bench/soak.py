"""Hours of speech through several sessions at once, faster than it was spoken.

What must not grow: memory, and the time that a minute of audio takes. What must not change: the
text. Every session's text is set against that of a fresh server that hears the same audio alone.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

import click
import numpy as np
import psutil  # type: ignore[import-untyped]

from bench.command import Request, bench_command
from bench.memory import MB
from bench.outcome import Figures, Grid, Outcome
from bench.readings import Reading, at_once, readings, seconds_of
from bench.trend import fit_trend
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_client import connect_async
from streamscribe_protocol.messages import Endpoint, Partial
from streamscribe_protocol.messages import Final as FinalMessage

SESSIONS: Final = 8
LOOK_EVERY_S: Final = 1.0
MOST_TOLD: Final = 5
SERVER: Final = ("--log-level", "warning")


@dataclass(slots=True)
class Heard:
    """One session, as far as it has come."""

    at_ms: int = 0
    """Audio that its events have taken into account."""
    finals: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Log:
    """The server over time, by the audio that was heard in all sessions together."""

    audio_min: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def figures(self) -> Figures:
        """Trends per hour of audio."""
        hours = [minutes / 60 for minutes in self.audio_min]
        return {
            "resident_mb_per_hour": _trend(hours, self.resident_mb),
            "wall_s_per_minute": _trend(*_rates(self.audio_min, self.wall_s)),
            "cpu_s_per_minute": _trend(*_rates(self.audio_min, self.cpu_s)),
            "resident_mb_at_most": max(self.resident_mb, default=0.0),
        }


@bench_command("soak")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=2.0,
              show_default=True, help="Audio of all sessions together.")  # fmt: skip
def main(request: Request, hours: float) -> Outcome:
    """Memory, speed and text over hours of audio in eight sessions at once."""
    spoken = readings(request.speech, SESSIONS, hours * 3_600 / SESSIONS)
    with local_server(*SERVER) as server:
        began_s = time.monotonic()
        together, log = asyncio.run(_together(server, spoken))
        took_s = time.monotonic() - began_s
    alone = []
    for reading in spoken:
        with local_server(*SERVER) as server:
            alone.append(asyncio.run(_alone(server, reading)))
    figures: Figures = {
        "sessions": SESSIONS,
        "audio_h": sum(map(seconds_of, spoken)) / 3_600,
        "times_real_time": sum(map(seconds_of, spoken)) / took_s,
        **log.figures(),
        **_compared(alone, together),
    }
    return Outcome(figures, (_grid(figures),))


async def _together(server: ServerProcess, spoken: list[Reading]) -> tuple[list[list[str]], Log]:
    heard = [Heard() for _ in spoken]
    log = Log()
    watch = asyncio.create_task(_watch(psutil.Process(server.process.pid), heard, log))
    async with asyncio.TaskGroup() as group:
        for one, reading in zip(heard, spoken, strict=True):
            group.create_task(_send(server.url, reading, one))
    watch.cancel()
    return [one.finals for one in heard], log


async def _alone(server: ServerProcess, reading: Reading) -> list[str]:
    heard = Heard()
    await _send(server.url, reading, heard)
    return heard.finals


async def _send(url: str, reading: Reading, heard: Heard) -> None:
    async with connect_async(url, timeout_s=60.0) as stream:
        stream.send_soon(at_once(reading))
        async for event in stream:
            match event:
                case Partial(at_ms=at_ms) | Endpoint(at_ms=at_ms):
                    heard.at_ms = at_ms
                case FinalMessage(text=text):
                    heard.finals.append(text)


async def _watch(process: psutil.Process, heard: list[Heard], log: Log) -> None:
    began_s = time.monotonic()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        times = process.cpu_times()
        log.audio_min.append(sum(one.at_ms for one in heard) / 60_000)
        log.resident_mb.append(process.memory_info().rss / MB)
        log.wall_s.append(time.monotonic() - began_s)
        log.cpu_s.append(times.user + times.system)


def _rates(audio_min: list[float], seconds: list[float]) -> tuple[list[float], list[float]]:
    """Hours of audio, and what a minute of it took there: one value per minute heard in all."""
    if not audio_min:
        return [], []
    marks = np.arange(1, int(audio_min[-1]) + 1)
    at_s = np.interp(marks, audio_min, seconds)
    return list(marks[1:] / 60), list(np.diff(at_s))


def _trend(xs: list[float], ys: list[float]) -> Figures | None:
    trend = fit_trend(xs, ys)
    return trend.figures() if trend else None


def _compared(alone: list[list[str]], together: list[list[str]]) -> Figures:
    pairs = list(zip(alone, together, strict=True))
    different: list[Figures] = []
    for session, (expected, got) in enumerate(pairs):
        if expected != got:
            first = next(
                (at for at, (one, other) in enumerate(zip(expected, got, strict=False))
                 if one != other),
                min(len(expected), len(got)),
            )  # fmt: skip
            different.append({
                "session": session, "segment": first, "segments": [len(expected), len(got)],
                "alone": expected[first : first + 1], "together": got[first : first + 1],
            })  # fmt: skip
    return {
        "segments": sum(len(texts) for texts in together),
        "words": sum(len(text.split()) for texts in together for text in texts),
        "texts_different": len(different),
        "different": different[:MOST_TOLD],
    }


def _grid(figures: Figures) -> Grid:
    rows = []
    for name in ("resident_mb_per_hour", "wall_s_per_minute", "cpu_s_per_minute"):
        trend = figures[name]
        if isinstance(trend, dict):
            slope = f"{trend['slope']:+.4f} ({trend['low']:+.4f} to {trend['high']:+.4f})"
            rows.append((name, f"{trend['middle']:.2f}", slope, f"{trend['grew_percent']:+.2f} %"))
    columns = ("what", "median", "slope per hour of audio (95 %)", "over the run")
    return Grid("Hours of audio", columns, rows)


if __name__ == "__main__":
    main()
