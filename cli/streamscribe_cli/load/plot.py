"""The picture of a load: delay over time, and which part of the texts came by when."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamscribe.errors import StreamscribeError
from streamscribe_cli.load.load import Load
from streamscribe_cli.load.report import logs_of
from streamscribe_cli.load.stream_log import Timing

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PlotImpossible(StreamscribeError):
    """The package that draws is not installed."""

    code = "plot_impossible"


def need_plot() -> None:
    """Raises ``PlotImpossible`` where nothing could be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        missing = PlotImpossible("a plot needs the package matplotlib, which is not installed")
        missing.add_note("to install it: pip install 'streamscribe[bench]'")
        raise missing from error


def plot_load(file: Path, load: Load) -> None:
    """Draw all finals and partials of a load as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "load"  # the same figures make the same file
    logs = logs_of(load)
    kinds = {
        "partials": ([one for log in logs for one in log.partials], "#9ab"),
        "finals": ([one for log in logs for one in log.finals], "#135"),
    }
    figure, (over_time, by_part) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for name, (timings, colour) in kinds.items():
        due_s = [one.due_s - load.began_s for one in timings]
        delay_s = [one.delay_s for one in timings]
        over_time.scatter(due_s, delay_s, s=6, color=colour, label=name)
        _distribution(by_part, name, colour, [one for one in timings if load.counts(one.due_s)])
    over_time.axvline(load.counts_from_s - load.began_s, color="#a33", linestyle="--", linewidth=1)
    over_time.axvline(load.counts_until_s - load.began_s, color="#a33", linestyle="--", linewidth=1)
    over_time.set_xlabel("time of the run, s (counted between the lines)")
    over_time.set_ylabel("delay, s")
    by_part.set_xlabel("delay, s")
    by_part.set_ylabel("texts that came by then, %")
    for axes in (over_time, by_part):
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.suptitle(f"{load.plan.streams} streams")
    figure.tight_layout()
    figure.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _distribution(axes: "Axes", name: str, colour: str, timings: Sequence[Timing]) -> None:
    delay_s = sorted(one.delay_s for one in timings)
    percent = [100 * (index + 1) / len(delay_s) for index in range(len(delay_s))]
    axes.step(delay_s, percent, where="post", color=colour, label=name)
