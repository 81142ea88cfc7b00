"""What the benchmarks of many streams share: the audio, the run, the capacity that was found.

The client is this process, the server one of its own; real speech at the pace of speech through
real sockets. ``streamscribe_cli.load`` plays and counts; see there for what a delay is.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final

import click

from bench.command import RESULTS, Request
from bench.corpus import load_clips
from bench.outcome import Figures
from bench.server_metrics import Snapshot, read_metrics, told_between
from streamscribe.options import SessionOptions
from streamscribe_cli.load.load import Load, LoadPlan, probe
from streamscribe_cli.load.programme import Programme, make_programme
from streamscribe_cli.load.report import figures_of

SEED: Final = 0
RAMP_STREAM_S: Final = 0.15
RAMP_MAX_S: Final = 10.0


def speech_programme(request: Request) -> Programme:
    """The clips of ``dev`` with pauses that close segments, always the same."""
    return make_programme(
        [clip.samples for clip in load_clips(request.speech / "dev", request.limit)],
        endpoint_silence_ms=SessionOptions().endpoint_silence_ms,
        seed=SEED,
    )


def never(load: Load) -> bool:
    """Let every load play to its end."""
    return False


def play(
    url: str,
    programme: Programme,
    streams: int,
    seconds: float,
    hopeless: Callable[[Load], bool] = never,
    ramp_s: float | None = None,
) -> Figures:
    """Figures of one load; ``server`` among them is what the server says about the counted part.

    ``ramp_s``: over which the streams begin; None: ``RAMP_STREAM_S`` each, at most ``RAMP_MAX_S``.
    """
    plan = LoadPlan(
        url=url,
        streams=streams,
        seconds=seconds,
        ramp_s=min(streams * RAMP_STREAM_S, RAMP_MAX_S) if ramp_s is None else ramp_s,
        seed=SEED,
    )
    return asyncio.run(_play(plan, programme, hopeless))


async def _play(plan: LoadPlan, programme: Programme, hopeless: Callable[[Load], bool]) -> Figures:
    await probe(plan.url, {})
    load = Load(plan, programme)
    asked = asyncio.create_task(_ask_server(load))
    await load.run(hopeless)
    if not asked.done():  # given up before the counted part was over
        asked.cancel()
    [said] = await asyncio.gather(asked, return_exceptions=True)
    if isinstance(said, Exception):
        raise said
    figures = figures_of(load)
    figures["server"] = said if isinstance(said, dict) else {}
    return figures


async def _ask_server(load: Load) -> Figures:
    shots: list[Snapshot | None] = []
    for at_s in (load.counts_from_s, load.counts_until_s):
        await asyncio.sleep(max(0.0, at_s - time.monotonic()))
        shots.append(await asyncio.to_thread(read_metrics, load.plan.url))
    before, after = shots
    return told_between(before, after) if before and after else {}


def known_capacity(request: Request, streams: int | None) -> int:
    """``streams`` if given, otherwise what ``capacity`` has found. Raises ``click.UsageError``."""
    if streams is not None:
        return streams
    folder = request.file.parent if request.file is not None else RESULTS
    for file in (folder / "capacity.json", RESULTS / "capacity.json"):
        if file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))["figures"]
            return max(1, int(found["capacity"]))
    raise click.UsageError(
        "how many streams this machine serves is not known yet:"
        " run `python -m bench capacity` first, or say --capacity N"
    )


def span(part: Figures) -> str:
    """p50 and p95 of some delays, for a table."""
    return f"{part['p50_s']:.3f} / {part['p95_s']:.3f}" if part.get("count") else "-"
