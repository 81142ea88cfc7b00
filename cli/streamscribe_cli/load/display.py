"""A load while it runs, on a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table

from streamscribe_cli.latency import delays
from streamscribe_cli.load.load import Load
from streamscribe_cli.load.player import State
from streamscribe_cli.load.report import errors_of, logs_of, told


def watched(load: Load) -> RenderableType:
    """How the load is doing, from its beginning until now."""
    logs = logs_of(load)
    table = Table.grid(padding=(0, 2))
    table.add_row("time", _phase(load))
    table.add_row(
        "streams",
        f"{load.count(State.CONNECTED)} connected, {load.count(State.REFUSED)} refused,"
        f" {load.count(State.FAILED)} failed, {load.count(State.FINISHED)} finished",
    )
    table.add_row("finals", _told([one.delay_s for log in logs for one in log.finals]))
    table.add_row("partials", _told([one.delay_s for log in logs for one in log.partials]))
    table.add_row("hop, audio", _told([one.audio_s for log in logs for one in log.stretches]))
    table.add_row("hop, time", _told([one.time_s for log in logs for one in log.stretches]))
    table.add_row("slowest", _slowest(load))
    table.add_row("errors", told(errors_of(load)) or "none")
    return table


def _phase(load: Load) -> str:
    now_s, until_s = load.began_s + load.passed_s, load.counts_until_s
    if now_s >= until_s:
        return f"{load.passed_s:.0f} s, waiting for the last finals"
    counted = "" if now_s >= load.counts_from_s else ", not counted yet"
    return f"{load.passed_s:.0f} of {until_s - load.began_s:.0f} s{counted}"


def _told(seconds: Sequence[float]) -> str:
    part = delays(seconds)
    if not seconds:
        return "-"
    numbers = " / ".join(f"{part[key]:.2f}" for key in ("p50_s", "p95_s", "max_s"))
    return f"{numbers} s (p50 / p95 / largest of {len(seconds)})"


def _slowest(load: Load) -> str:
    found = [
        (float(delays([one.delay_s for one in player.log.finals])["p95_s"]), player.index)
        for player in load.players
        if player.log and player.log.finals
    ]
    if not found:
        return "-"
    p95_s, index = max(found)
    return f"stream {index}, p95 of its finals {p95_s:.2f} s"
