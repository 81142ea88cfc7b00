"""The picture of capacity: delay against the number of streams."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STYLES = {"batched": "#135", "one_at_a_time": "#c73"}


def plot_capacity(
    file: Path, points: Mapping[str, Sequence[Mapping[str, Any]]], allowed_s: float
) -> None:
    """Draw p95 of finals and partials of each way to serve, and what is allowed, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "capacity"  # the same figures make the same file
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for way, measured in points.items():
        for kind, line in (("finals", "-"), ("partials", ":")):
            drawn = sorted(
                (point["streams"], point[kind]["p95_s"])
                for point in measured
                if point[kind]["count"] and not point["stopped_early"]
            )
            axes.plot(
                [streams for streams, _ in drawn], [p95_s for _, p95_s in drawn],
                line, marker="o", markersize=4, color=STYLES.get(way), label=f"{kind}, {way}",
            )  # fmt: skip
    axes.axhline(allowed_s, color="#a33", linestyle="--", label="allowed for finals")
    axes.set_ylim(0, 3 * allowed_s)
    axes.set_xlabel("live streams")
    axes.set_ylabel("delay, p95, s")
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(figure)
