"""How many live streams one server serves well, and how many if it hears one at a time.

A number of streams *holds* when, over the counted part, the p95 of the delay of finals after the
end of speech is at most ``FINAL_P95_S``, the median effective hop at most ``HOP_P50_S``, and no
stream was refused or broke. The number goes up by steps until one does not hold; then the gap is
halved. The baseline is the same search for a server that is not allowed to share model calls, nor
to leave partials out.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from bench.capacity_plot import plot_capacity
from bench.command import Request, bench_command
from bench.outcome import Figures, Grid, Outcome
from bench.stream_load import play, span, speech_programme
from streamscribe_cli.load.file_limit import allow_sockets
from streamscribe_cli.load.load import Load
from streamscribe_cli.load.player import State
from streamscribe_cli.load.report import finals_of, logs_of, partials_of
from streamscribe_cli.server_process import local_server

FINAL_P95_S: Final = 1.5
HOP_P50_S: Final = 1.0
STEPS: Final = (4, 8, 12, 16, 24, 32, 40, 48, 64, 96, 128, 192, 256)
ONE_AT_A_TIME: Final = "--workers 1 --max-batch 1 --no-coalesce"
"""Options of ``streamscribe serve`` that make it the baseline."""
GRAIN: Final = 10
"""The search ends when the gap is one stream, or this part of what holds."""
HOPELESS_TIMES: Final = 3.0
"""A load whose delays are this many times what is allowed is not played to its end."""
HOPELESS_MIN: Final = 10
"""Texts that such a judgement needs."""
REST_S: Final = 1.0
"""Between two loads."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the server."""

    name: str
    server: tuple[str, ...]
    """Options of ``streamscribe serve``."""


@bench_command("capacity")
@click.option(
    "--seconds", type=click.FloatRange(1), default=45.0, show_default=True,
    help="Counted part of each load.",
)  # fmt: skip
@click.option(
    "--steps", default=",".join(map(str, STEPS)), show_default=True, metavar="N,N,...",
    help="Numbers of streams to try until one does not hold.",
)  # fmt: skip
@click.option(
    "--baseline", default=ONE_AT_A_TIME, show_default=True, metavar="OPTIONS",
    help="Options of `streamscribe serve` for the baseline; empty: no baseline.",
)  # fmt: skip
@click.option(
    "--server", default="", metavar="OPTIONS", help="Options of `streamscribe serve` for both."
)
@click.option(
    "--ramp-s", type=click.FloatRange(0),
    help="Seconds over which the streams of a load begin [default: 0.15 each, at most 10].",
)  # fmt: skip
def main(
    request: Request, seconds: float, steps: str, baseline: str, server: str, ramp_s: float | None
) -> Outcome:
    """Most live streams with finals in time; the curve; one session at a time as the baseline."""
    numbers = _numbers(steps)
    allow_sockets(max(numbers))
    programme = speech_programme(request)
    common = ("--log-level", "warning", "--max-sessions", str(max(numbers) + 1), *server.split())
    ways = [Way("batched", common)]
    if baseline:
        ways.append(Way("one_at_a_time", (*common, *baseline.split())))
    figures: Figures = {
        "final_p95_s_allowed": FINAL_P95_S,
        "hop_p50_s_allowed": HOP_P50_S,
        "programme": {
            "length_s": programme.length / 16_000,
            "speech_ratio": programme.speech_len / programme.length,
        },
    }
    points: dict[str, list[Figures]] = {}

    def measure(url: str, streams: int) -> Figures:
        return play(url, programme, streams, seconds, hopeless, ramp_s)

    for way in ways:
        points[way.name] = []
        held = _search(way, measure, numbers, points[way.name])
        figures[way.name] = {"capacity": held, "server": way.server, "points": points[way.name]}
    figures |= summary(figures)
    if request.file is not None:
        plot_capacity(Path(request.file).with_suffix(".svg"), points, FINAL_P95_S)
    return Outcome(figures, tuple(_grid(way.name, points[way.name]) for way in ways))


def summary(figures: Figures) -> Figures:
    """The capacity, what it is worth at that number, and how many times the baseline that is."""
    best = figures["batched"]
    assert isinstance(best, dict)
    found: Figures = {"capacity": best["capacity"]}
    at = [point for point in best["points"] if point["streams"] == best["capacity"]]
    if at:
        point = at[-1]
        found["final_p95_s"] = point["finals"]["p95_s"]
        found["partial_p95_s"] = point["partials"].get("p95_s")
        found["hop_p50_s"] = point["hop"]["audio"].get("p50_s")
        found["event_loop_lag_p99_s"] = point["server"].get("event_loop_lag_p99_at_most_s")
    base = figures.get("one_at_a_time")
    if isinstance(base, dict) and base["capacity"]:
        found["times_one_at_a_time"] = best["capacity"] / base["capacity"]
    return found


def _search(
    way: Way,
    measure: Callable[[str, int], Figures],
    numbers: list[int],
    points: list[Figures],
) -> int:
    """The most streams that hold; every load that was played is added to ``points``."""

    def holds(streams: int) -> bool:
        click.echo(f"{way.name}: {streams} streams", err=True)
        figures = measure(server.url, streams)
        figures["why_not"] = why_not(figures)
        del figures["by_stream"]  # `fairness` looks at each stream
        points.append(figures)
        time.sleep(REST_S)
        return not figures["why_not"]

    with local_server(*way.server) as server:
        return most(holds, numbers)


def most(holds: Callable[[int], bool], numbers: Iterable[int]) -> int:
    """The largest number that holds, tried upwards and then by halves; 0 where none does."""
    held, broken = 0, None
    for number in numbers:
        if not holds(number):
            broken = number
            break
        held = number
    while broken is not None and broken - held > max(1, held // GRAIN):
        middle = (held + broken) // 2
        if holds(middle):
            held = middle
        else:
            broken = middle
    return held


def why_not(figures: Figures) -> list[str]:
    """What keeps a load from holding; nothing if it holds."""
    finals, hop = figures["finals"], figures["hop"]
    assert isinstance(finals, dict) and isinstance(hop, dict)
    reasons = [f"{figures[key]} {key}" for key in ("refused", "failed") if figures[key]]
    if figures["stopped_early"]:
        reasons.append("given up")
    if not finals["count"]:
        reasons.append("no finals")
    elif finals["p95_s"] > FINAL_P95_S:
        reasons.append("finals late")
    audio = hop["audio"]
    if audio["count"] and audio["p50_s"] > HOP_P50_S:
        reasons.append("hop long")
    return reasons


def hopeless(load: Load) -> bool:
    """Whether it is certain already that a load will not hold, and by far."""
    if load.count(State.REFUSED) or load.count(State.FAILED):
        return True
    logs = logs_of(load)
    return any(
        len(delays_s) >= HOPELESS_MIN
        and float(np.percentile(delays_s, 95)) > HOPELESS_TIMES * FINAL_P95_S
        for delays_s in (finals_of(load, logs), partials_of(load, logs))
    )


def _numbers(steps: str) -> list[int]:
    try:
        numbers = [int(number) for number in steps.split(",")]
    except ValueError:
        numbers = []
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise click.UsageError(f"--steps {steps!r}: want whole numbers that grow, like 4,8,12")
    return numbers


def _grid(name: str, points: list[Figures]) -> Grid:
    rows = []
    for point in sorted(points, key=lambda one: int(str(one["streams"]))):
        hop, server = point["hop"], point["server"]
        assert isinstance(hop, dict) and isinstance(server, dict)
        why = point["why_not"]
        assert isinstance(why, list)
        rows.append((
            str(point["streams"]), _span(point["finals"]), _span(point["partials"]),
            _span(hop["audio"]),
            f"{server['mean_batch']:.2f}" if "mean_batch" in server else "-",
            ", ".join(why) or "holds",
        ))  # fmt: skip
    columns = ("streams", "final", "partial", "hop", "batch", "verdict")
    return Grid(f"{name}: seconds, p50 / p95", columns, rows)


def _span(part: object) -> str:
    assert isinstance(part, dict)
    return span(part)


if __name__ == "__main__":
    main()
