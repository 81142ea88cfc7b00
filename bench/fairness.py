"""At capacity, whether some streams wait while others are served at once.

Every stream has its own p95 of the delay of finals, over enough minutes for that to mean
something; the slowest stream's is set against the median stream's.
"""

from statistics import median
from typing import Final

import click

from bench.command import Request, bench_command
from bench.outcome import Figures, Grid, Outcome
from bench.stream_load import known_capacity, play, speech_programme
from streamscribe_cli.server_process import local_server

MIN_TEXTS: Final = 5
"""Of a stream whose p95 is looked at."""


@bench_command("fairness")
@click.option("--capacity", type=click.IntRange(1), help="Streams [default: what was found].")
@click.option(
    "--seconds", type=click.FloatRange(1), default=300.0, show_default=True, help="Counted part."
)
def main(request: Request, capacity: int | None, seconds: float) -> Outcome:
    """The slowest stream's delays against the median stream's, at capacity."""
    streams = known_capacity(request, capacity)
    programme = speech_programme(request)
    with local_server("--log-level", "warning", "--max-sessions", str(streams + 1)) as server:
        figures = play(server.url, programme, streams, seconds)
    by_stream = figures["by_stream"]
    assert isinstance(by_stream, list)
    fair = {kind: apart(by_stream, kind) for kind in ("finals", "partials")}
    figures["fair"] = fair
    rows = [
        (kind, *(f"{part[key]:.3f}" for key in ("median_p95_s", "slowest_p95_s", "ratio")))
        for kind, part in fair.items()
        if part
    ]
    columns = ("texts", "median stream's p95, s", "slowest stream's", "ratio")
    return Outcome(figures, (Grid(f"Fairness among {streams} streams", columns, rows),))


def apart(by_stream: list[Figures], kind: str) -> dict[str, float]:
    """The median and the largest p95 of the streams that had enough texts; empty: none had."""
    parts = [one[kind] for one in by_stream]
    found = [
        float(part["p95_s"])
        for part in parts
        if isinstance(part, dict) and part["count"] >= MIN_TEXTS
    ]
    if not found:
        return {}
    middle_s, slowest_s = median(found), max(found)
    return {
        "median_p95_s": middle_s,
        "slowest_p95_s": slowest_s,
        "ratio": slowest_s / middle_s,
        "streams": len(found),
    }


if __name__ == "__main__":
    main()
