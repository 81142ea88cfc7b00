"""What every benchmark's command has in common: its options, its file, its tables."""

import functools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Final, ParamSpec

import click
from rich.console import Console

from bench.outcome import Figures, Outcome, print_grid, print_verdicts
from bench.provenance import ROOT, describe_run

RESULTS: Final = ROOT / "bench" / "results"
SPEECH: Final = ROOT / "../shared/speech"
PLAIN_WIDTH: Final = 120
"""Columns to print where there is no terminal to ask."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked of a benchmark."""

    speech: Path
    """Folder of real speech: ``dev``, ``long``, ``noise`` and ``vad``, each with its manifest."""
    limit: int | None
    """Most clips of each folder; None: all."""
    file: Path | None
    """Where the result will be written; None: nowhere."""


Measure = Callable[Concatenate[Request, P], Outcome]


def bench_command(
    name: str, *, needs_speech: bool = True
) -> Callable[[Callable[Concatenate[Request, P], Outcome]], click.Command]:
    """Make a command of a function that takes a ``Request`` and the function's own options.

    The command prints the outcome and writes it with all facts about the run. With ``--limit``
    and without ``--out`` nothing is written: a part must not pass for the whole.
    """

    def decorate(measure: Callable[Concatenate[Request, P], Outcome]) -> click.Command:
        @functools.wraps(measure)
        def run(
            speech: Path, limit: int | None, out: Path | None, *args: P.args, **own: P.kwargs
        ) -> None:
            if needs_speech and not speech.is_dir():
                click.echo(f"{name}: skipped, there is no folder of real speech at {speech}")
                return
            facts = describe_run()
            file = out or (RESULTS / f"{name}.json" if limit is None else None)
            outcome = measure(Request(speech, limit, file), *args, **own)
            console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
            for grid in outcome.grids:
                print_grid(console, grid)
            print_verdicts(console, {name: outcome.figures})
            asked: Figures = {"limit": limit, **own}
            if file is not None:
                _write(file, {"bench": name, **facts, "asked": asked, "figures": outcome.figures})
                console.print(f"written to {file}", highlight=False, soft_wrap=True)

        command: click.Command = click.command(name)(_with_options(run))
        return command

    return decorate


def _with_options(run: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option(
            "--speech",
            type=click.Path(file_okay=False, path_type=Path),
            default=SPEECH,
            help="Folder of real speech with a manifest.jsonl (fields audio, text, seconds) in"
            " each of its folders dev, long, noise and vad [default: ../shared/speech beside"
            " the repository].",
        ),
        click.option("--limit", type=click.IntRange(1), help="Most clips of each folder."),
        click.option(
            "--out",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File for the result [default: bench/results/NAME.json; with --limit none].",
        ),
    )
    for option in reversed(options):
        run = option(run)
    return run


def _write(file: Path, result: Figures) -> None:
    result["load_average_after"] = list(os.getloadavg())
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(result), indent=1, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    """The same with every float at six decimals: more would be noise."""
    if isinstance(value, float):
        return round(float(value), 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
