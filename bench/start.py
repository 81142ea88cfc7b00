"""How long it takes until something can be done: import, help, server.

Every time is a whole process's, interpreter included; the bare interpreter's is shown beside.
The first run of each is discarded: it compiles our modules, as an installation does.
"""

import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
import numpy as np

from bench.command import Request, bench_command
from bench.outcome import Figures, Grid, Outcome
from streamscribe_cli.server_process import local_server

COMMANDS: Final[dict[str, list[str]]] = {
    "bare_interpreter": ["-c", "pass"],
    "import_client": ["-c", "import streamscribe_client"],
    "help": ["-m", "streamscribe_cli", "--help"],
}


@bench_command("start", needs_speech=False)
@click.option("--repeats", type=click.IntRange(1), default=10, show_default=True)
@click.option("--server-repeats", type=click.IntRange(1), default=5, show_default=True)
def main(request: Request, repeats: int, server_repeats: int) -> Outcome:
    """Time to import the client, to print the help, and until a server is ready."""
    figures: Figures = {}
    with _compiled_modules():
        for name, arguments in COMMANDS.items():
            figures[name] = _repeat(repeats, functools.partial(_run, arguments))
        figures["serve_ready"] = _repeat(server_repeats, _serve)
    rows = []
    for name, part in figures.items():
        assert isinstance(part, dict)
        rows.append((name, f"{part['median_s']:.3f}", f"{max(part['repeats_s']):.3f}"))
    columns = ("process", "median s", "slowest s")
    return Outcome(figures, (Grid("Start", columns, rows),))


def _repeat(repeats: int, measure: Callable[[], float]) -> Figures:
    measure()  # discarded
    repeats_s = [measure() for _ in range(repeats)]
    return {"median_s": float(np.median(repeats_s)), "repeats_s": repeats_s}


def _run(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _serve() -> float:
    with local_server("--log-level", "warning") as server:
        return server.start_s


@contextmanager
def _compiled_modules() -> Iterator[None]:
    """Let child processes keep compiled modules, as installed packages have them."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as cache:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


if __name__ == "__main__":
    main()
