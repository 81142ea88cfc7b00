"""What a load has shown, as figures for a file and as a table for the eye."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich.table import Table

from streamscribe_cli.latency import delays
from streamscribe_cli.load.load import Load
from streamscribe_cli.load.player import Player, State
from streamscribe_cli.load.stream_log import StreamLog

Figures = dict[str, Any]
"""What JSON holds."""


def figures_of(load: Load) -> Figures:
    """All figures of a load: what was asked, what came of it, by stream too.

    Times are seconds; ``count`` 0 stands alone where there was nothing to measure.
    """
    logs = logs_of(load)
    return {
        "streams": load.plan.streams,
        "counted_s": load.plan.seconds,
        "stopped_early": load.stopped_early,
        "connected": len(logs),
        "finished": load.count(State.FINISHED),
        "refused": load.count(State.REFUSED),
        "failed": load.count(State.FAILED),
        "errors": dict(errors_of(load)),
        "connecting": delays(_answered(load, refused=False)),
        "refusal": delays(_answered(load, refused=True)),
        "finals": delays(finals_of(load, logs)),
        "partials": delays(partials_of(load, logs)),
        "hop": hop_of(load, logs),
        "rules": dict(sum((log.rules for log in logs), Counter[str]())),
        "words": sum(log.words for log in logs),
        "by_stream": [
            _stream(load, player.index, player.log) for player in load.players if player.log
        ],
        "generator": _generator(load),
    }


def logs_of(load: Load) -> list[StreamLog]:
    """Of the streams that connected."""
    return [player.log for player in load.players if player.log is not None]


def finals_of(load: Load, logs: Iterable[StreamLog]) -> list[float]:
    """Delays of the finals that count."""
    return [one.delay_s for log in logs for one in log.finals if load.counts(one.due_s)]


def partials_of(load: Load, logs: Iterable[StreamLog]) -> list[float]:
    """Delays of the partials that count."""
    return [one.delay_s for log in logs for one in log.partials if load.counts(one.due_s)]


def hop_of(load: Load, logs: Iterable[StreamLog]) -> Figures:
    """The effective hop: audio, and time, between two partials while speech goes on."""
    stretches = [one for log in logs for one in log.stretches if load.counts(one.due_s)]
    return {
        "audio": delays([one.audio_s for one in stretches]),
        "time": delays([one.time_s for one in stretches]),
    }


def errors_of(load: Load) -> Counter[str]:
    """Streams by the code of what ended them, and errors that ended none; refusals are neither."""
    found = Counter(
        player.error for player in load.players if player.state is State.FAILED and player.error
    )
    return sum((log.errors for log in logs_of(load)), found)


def slowest(figures: Figures) -> Figures | None:
    """The stream with the largest p95 of finals."""
    heard = [one for one in figures["by_stream"] if one["finals"]["count"]]
    return max(heard, key=lambda one: float(one["finals"]["p95_s"]), default=None)


def table_of(figures: Figures) -> Table:
    """The summary."""
    table = Table(title=f"{figures['streams']} streams", title_justify="left")
    for column in ("seconds", "count", "p50", "p95", "largest"):
        table.add_column(column, justify="left" if column == "seconds" else "right")
    hop = figures["hop"]
    for name, part in (
        ("final, after the end of speech", figures["finals"]),
        ("partial, after its audio", figures["partials"]),
        ("effective hop, audio", hop["audio"]),
        ("effective hop, time", hop["time"]),
        ("connecting", figures["connecting"]),
        ("refusal", figures["refusal"]),
    ):
        if part["count"]:
            numbers = (f"{part[key]:.3f}" for key in ("p50_s", "p95_s", "max_s"))
            table.add_row(name, str(part["count"]), *numbers)
    return table


def lines_of(figures: Figures) -> list[str]:
    """What the table has no place for."""
    counts = (f"{figures[key]} {key}" for key in ("connected", "refused", "failed", "finished"))
    lines = [", ".join(counts)]
    last = slowest(figures)
    if last is not None:
        finals = last["finals"]
        lines.append(
            f"slowest stream: {last['stream']}, p95 of its finals {finals['p95_s']:.3f} s"
            f" ({finals['count']} finals)"
        )
    if figures["errors"]:
        lines.append(f"errors: {told(figures['errors'])}")
    own = figures["generator"]
    lines.append(
        f"this process took {own['cores']:.2f} cores and sent packets"
        f" {own['late_p99_s'] * 1_000:.0f} ms late at p99"
    )
    return lines


def told(counts: Mapping[str, int]) -> str:
    """Codes with their counts."""
    return ", ".join(f"{code} {count}x" for code, count in sorted(counts.items()))


def _answered(load: Load, *, refused: bool) -> list[float]:
    def wanted(player: Player) -> bool:
        return player.state is State.REFUSED if refused else player.log is not None

    return [
        player.answered_s
        for player in load.players
        if player.answered_s is not None and wanted(player)
    ]


def _stream(load: Load, index: int, log: StreamLog) -> Figures:
    return {
        "stream": index,
        "finals": delays(finals_of(load, [log])),
        "partials": delays(partials_of(load, [log])),
        "hop_p50_s": hop_of(load, [log])["audio"].get("p50_s"),
    }


def _generator(load: Load) -> Figures:
    """What the generator itself takes, and how late it sent: figures to doubt others by."""
    late_s = [late for player in load.players for late in player.late_s]
    return {
        "cores": load.cores,
        "late_p50_s": float(np.percentile(late_s, 50)) if late_s else 0.0,
        "late_p99_s": float(np.percentile(late_s, 99)) if late_s else 0.0,
        "late_max_s": max(late_s, default=0.0),
    }
