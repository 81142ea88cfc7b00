"""What a benchmark gives back: figures for the file, tables for the eye."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.targets import TARGETS, Verdict, number_at

Figures = dict[str, object]
"""Numbers, texts, lists and further such dictionaries: what JSON holds."""

_STYLES = {Verdict.REACHED: "green", Verdict.MISSED: "bold red"}


@dataclass(frozen=True, slots=True)
class Grid:
    """A table to print."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A benchmark's result."""

    figures: Figures
    grids: tuple[Grid, ...]


def print_grid(console: Console, grid: Grid) -> None:
    """Print one table; every column but the first is aligned to the right."""
    table = Table(title=grid.title, title_justify="left")
    for index, column in enumerate(grid.columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in grid.rows:
        table.add_row(*row)
    console.print(table)


def print_verdicts(console: Console, figures_by_bench: Mapping[str, Mapping[str, object]]) -> None:
    """Print the lines of the target table that belong to the given benchmarks."""
    table = Table(title="Targets", title_justify="left")
    for column in ("measure", "target", "got", "unit", "verdict"):
        table.add_column(column, justify="right" if column in ("target", "got") else "left")
    for target in TARGETS:
        if target.bench in figures_by_bench:
            got = number_at(figures_by_bench[target.bench], target.figure)
            verdict = target.judge(got)
            shown = "" if got is None else f"{got:.4g}"
            table.add_row(
                target.measure, target.wanted, shown, target.unit, verdict,
                style=_STYLES.get(verdict, ""),
            )  # fmt: skip
    if table.row_count:
        console.print(table)
