"""Twice as many streams as a server can serve: those that are let in are served, the rest is told.

The server runs as it is shipped. A refusal counts from the attempt to connect to the answer (HTTP
503, or close code 1013). A crash is a process that is gone, or an error in its log. Memory is the
median of the last quarter of the counted part less that of the second: what grows with time, not
with the streams that were let in.
"""

from typing import Final

import click

from bench.command import Request, bench_command
from bench.outcome import Figures, Grid, Outcome
from bench.resident import Resident
from bench.stream_load import RAMP_MAX_S, known_capacity, play, speech_programme
from streamscribe_cli.load.file_limit import allow_sockets
from streamscribe_cli.load.load import SETTLE_S
from streamscribe_cli.server_process import local_server

TIMES: Final = 2
MOST_ERRORS: Final = 5
REFUSAL: Final = "ASGI callable returned without completing handshake"
"""What uvicorn calls an error although a refusal with an HTTP status is meant."""


@bench_command("overload")
@click.option("--capacity", type=click.IntRange(1), help="Streams [default: what was found].")
@click.option(
    "--seconds", type=click.FloatRange(4), default=180.0, show_default=True, help="Counted part."
)
@click.option(
    "--server", default="", metavar="OPTIONS", help="Options of `streamscribe serve`."
)  # fmt: skip
def main(request: Request, capacity: int | None, seconds: float, server: str) -> Outcome:
    """Delays of the streams that are let in, and how fast the others are refused."""
    streams = TIMES * known_capacity(request, capacity)
    allow_sockets(streams)
    programme = speech_programme(request)
    with (
        local_server("--log-level", "warning", *server.split()) as process,
        Resident(process.process.pid) as resident,
    ):
        figures = play(process.url, programme, streams, seconds)
        errors = errors_in(process.log())
        figures |= {
            "crashed": int(process.process.poll() is not None or bool(errors)),
            "server_errors": errors[:MOST_ERRORS],
            "memory": growth(resident, seconds),
        }
    memory, finals, refusal = figures["memory"], figures["finals"], figures["refusal"]
    assert isinstance(memory, dict) and isinstance(finals, dict) and isinstance(refusal, dict)
    rows = (
        ("offered", str(streams)),
        ("let in", str(figures["connected"])),
        ("refused", str(figures["refused"])),
        ("broken", str(figures["failed"])),
        ("finals, p95, s", _number(finals.get("p95_s"))),
        ("slowest refusal, s", _number(refusal.get("max_s"))),
        ("memory grown, MB", _number(memory["growth_mb"])),
    )
    return Outcome(figures, (Grid("Twice the capacity", ("what", "value"), rows),))


def errors_in(log: str) -> list[str]:
    """What a server logged as an error, each entry's first line."""
    lines = (line for line in log.splitlines() if " ERROR " in line)
    return [line for line in lines if REFUSAL not in line]


def growth(resident: Resident, seconds: float) -> Figures:
    """Memory of the counted part, which begins about when the ramp and what settles are over.

    Its first quarter is left out: the model's buffers grow until it has heard long segments.
    """
    from_s = RAMP_MAX_S + SETTLE_S
    early_mb = resident.median_mb(from_s + seconds / 4, from_s + seconds / 2)
    late_mb = resident.median_mb(from_s + seconds * 3 / 4, from_s + seconds)
    return {"early_mb": early_mb, "late_mb": late_mb, "growth_mb": late_mb - early_mb}


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"


if __name__ == "__main__":
    main()
