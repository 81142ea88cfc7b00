"""What a server says about itself at ``/metrics`` between two moments, in Prometheus' format."""

import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bench.outcome import Figures

LOOP_LAG: Final = "streamscribe_event_loop_lag_seconds"
BUSY: Final = "streamscribe_busy_ratio"
BATCH: Final = "streamscribe_batch_size"
TIMEOUT_S: Final = 5.0

_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_BOUND = re.compile(r'le="(?P<bound>[^"]+)"')


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All series without labels, and the buckets of histograms, at one moment."""

    values: dict[str, float] = field(default_factory=dict)
    buckets: dict[str, dict[float, float]] = field(default_factory=dict)
    """By name: how many values were at most so large."""


def parse(text: str) -> Snapshot:
    """Read the text format; lines that are something else are left out."""
    found = Snapshot()
    for match in filter(None, map(_LINE.match, text.splitlines())):
        name, labels, value = match["name"], match["labels"], float(match["value"])
        if not labels:
            found.values[name] = value
        elif name.endswith("_bucket") and (bound := _BOUND.fullmatch(labels)):
            sizes = found.buckets.setdefault(name.removesuffix("_bucket"), {})
            sizes[float(bound["bound"])] = value
    return found


def read_metrics(stream_url: str) -> Snapshot | None:
    """The metrics of a server with this address of streams; None: it has none."""
    parts = urlsplit(stream_url)
    scheme = "https" if parts.scheme == "wss" else "http"
    try:
        with urllib.request.urlopen(
            f"{scheme}://{parts.netloc}/metrics", timeout=TIMEOUT_S
        ) as response:
            return parse(response.read().decode())
    except (urllib.error.URLError, TimeoutError):
        return None


def told_between(before: Snapshot, after: Snapshot) -> Figures:
    """Lag of the event loop at p99, part of the time that it computes, steps in a model call."""
    figures: Figures = {}
    lag_s = quantile(before.buckets.get(LOOP_LAG, {}), after.buckets.get(LOOP_LAG, {}), 0.99)
    if lag_s is not None:
        figures["event_loop_lag_p99_at_most_s"] = lag_s
    if BUSY in after.values:
        figures["busy_ratio"] = after.values[BUSY]
    calls = after.values.get(f"{BATCH}_count", 0) - before.values.get(f"{BATCH}_count", 0)
    if calls:
        steps = after.values[f"{BATCH}_sum"] - before.values.get(f"{BATCH}_sum", 0)
        figures |= {"mean_batch": steps / calls, "model_calls": calls}
    return figures


def quantile(before: dict[float, float], after: dict[float, float], part: float) -> float | None:
    """The bound of the bucket in which the quantile of the values since ``before`` lies.

    None when there were none, or it lies beyond the last bound.
    """
    counts = {bound: count - before.get(bound, 0) for bound, count in sorted(after.items())}
    whole = max(counts.values(), default=0)
    if not whole:
        return None
    found = next(bound for bound, count in counts.items() if count >= part * whole)
    return found if found != float("inf") else None
