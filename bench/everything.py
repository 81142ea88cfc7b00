"""Every benchmark, each in a process of its own, then one table of targets and verdicts."""

import json
import subprocess
import sys
import time
from pathlib import Path

import click
from rich.console import Console

from bench.command import PLAIN_WIDTH, RESULTS, SPEECH
from bench.outcome import print_verdicts
from bench.provenance import ROOT
from bench.targets import BENCHES


@click.command("all")
@click.option(
    "--speech",
    type=click.Path(file_okay=False, path_type=Path),
    default=SPEECH,
    help="Folder of real speech, as each benchmark takes it [default: as theirs].",
)
@click.option("--limit", type=click.IntRange(1), help="Most clips of each folder.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results [default: bench/results; needed with --limit].",
)
def main(speech: Path, limit: int | None, out: Path | None) -> None:
    """Run all benchmarks; exit code 1 if one of them failed to run."""
    if limit is not None and out is None:
        raise click.UsageError("with --limit say where to: --out FOLDER")
    folder = (out or RESULTS).absolute()
    failed = []
    figures = {}
    began = time.monotonic()
    for name in BENCHES:
        click.echo(f"\n== {name}, after {(time.monotonic() - began) / 60:.1f} min ==")
        result = folder / f"{name}.json"
        result.unlink(missing_ok=True)  # what is there afterwards was measured now
        command = [sys.executable, "-m", "bench", name, "--out", result]
        command += ["--speech", speech.absolute()]
        command += ["--limit", str(limit)] if limit is not None else []
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
        if result.exists():
            figures[name] = json.loads(result.read_text(encoding="utf-8"))["figures"]
    click.echo("")
    print_verdicts(Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH), figures)
    skipped = [name for name in BENCHES if name not in figures and name not in failed]
    if skipped:
        click.echo(f"skipped: {', '.join(skipped)}")
    if failed:
        click.echo(f"failed to run: {', '.join(failed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
