"""The picture of a curve: word error rate against delay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One setting's delay and accuracy."""

    delay_s: float
    wer_percent: float


def plot_curve(
    file: Path,
    model: str,
    points: Sequence[CurvePoint],
    named: Mapping[str, CurvePoint],
    offline_wer_percent: float,
) -> None:
    """Draw all ``points``, those that have a name, and the line of whole files, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = model  # the same figures make the same file
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.scatter(
        [point.delay_s for point in points], [point.wer_percent for point in points],
        color="#9ab", s=18, label="other chunks",
    )  # fmt: skip
    best = sorted(named.values(), key=lambda point: point.delay_s)
    axes.plot(
        [point.delay_s for point in best], [point.wer_percent for point in best],
        color="#135", marker="o", label="presets",
    )  # fmt: skip
    for name, point in named.items():
        axes.annotate(
            name, (point.delay_s, point.wer_percent), xytext=(4, 6), textcoords="offset points"
        )
    axes.axhline(offline_wer_percent, color="#a33", linestyle="--", label="whole files")
    axes.set_xlabel("from a word's end to its commitment, median, s of audio")
    axes.set_ylabel("word error rate, %")
    axes.set_title(model)
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
