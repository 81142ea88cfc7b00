"""``streamscribe bench``: many live streams against a server, and how late their captions are."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamscribe.errors import StreamscribeError
from streamscribe_cli.check import SAMPLE

if TYPE_CHECKING:
    from rich.console import Console

    from streamscribe.model import Samples
    from streamscribe_cli.load.load import Load, LoadPlan
    from streamscribe_client.stream_options import ConnectOptions

RAMP_STREAM_S = 0.25
"""Of the usual ramp, for each stream."""
RAMP_MAX_S = 30.0


class LoadFailed(StreamscribeError):
    """No stream could be measured, or some broke."""

    code = "load_failed"


@click.command()
@click.argument("more_files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="The server [default: one is started for this].")
@click.option(
    "--streams", type=click.IntRange(1), default=4, show_default=True, help="Streams at once."
)
@click.option(
    "--audio",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE...",
    help="What the streams play [default: the sample that is included].",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=60.0,
    show_default=True,
    help="How long to measure, once all streams have begun.",
)
@click.option(
    "--ramp-s",
    type=click.FloatRange(0),
    help=f"Seconds over which the streams begin [default: {RAMP_STREAM_S} each,"
    f" at most {RAMP_MAX_S:g}].",
)
@click.option("--api-key", metavar="KEY", help="Key that the server asks for.")
@click.option("--model", metavar="NAME", help="Model to ask for [default: the server's].")
@click.option("--hop-ms", type=click.IntRange(1), help="New audio between two partials.")
@click.option(
    "--packet-ms",
    type=click.IntRange(10, 1_000),
    default=20,
    show_default=True,
    help="Audio in each packet; more packets cost this command and the server more.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Chooses order, pauses and starts."
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all figures here.",
)
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.svg",
    help="Draw delay over time, and its distribution (needs the extra 'bench').",
)
def bench(  # noqa: PLR0913 - one parameter per option
    more_files: tuple[Path, ...],
    url: str | None,
    streams: int,
    audio: tuple[Path, ...],
    seconds: float,
    ramp_s: float | None,
    api_key: str | None,
    model: str | None,
    hop_ms: int | None,
    packet_ms: int,
    seed: int,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    """Play recordings as many live streams, and measure how late the captions are.

    Each stream plays the recordings (WAV, FLAC, OGG, MP3, AIFF) at the pace of speech, with
    pauses between them, over and over, and each begins at another place. The delay of a final is
    counted from the end of the speech before it, that of a partial from the audio that it covers.

    The exit code is 1 if a stream broke or none was served; refused streams are only counted.
    """
    from streamscribe_cli.load.file_limit import allow_sockets
    from streamscribe_cli.load.load import LoadPlan
    from streamscribe_cli.load.plot import need_plot, plot_load
    from streamscribe_cli.load.report import figures_of, lines_of, table_of

    if plot_file is not None:
        need_plot()
    recordings = _recordings((*audio, *more_files))
    allow_sockets(streams)
    if ramp_s is None:
        ramp_s = min(streams * RAMP_STREAM_S, RAMP_MAX_S)
    with _server(url, streams, model) as server:
        plan = LoadPlan(
            url=server,
            streams=streams,
            seconds=seconds,
            ramp_s=ramp_s,
            packet_ms=packet_ms,
            seed=seed,
            options=_options(api_key, model, hop_ms),
        )
        load = asyncio.run(_run(plan, recordings))
    figures = figures_of(load)
    _console().print(table_of(figures))
    for line in lines_of(figures):
        click.echo(line)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if plot_file is not None:
        plot_load(plot_file, load)
    _judge(load, figures)


def _recordings(paths: tuple[Path, ...]) -> "list[Samples]":
    """All audio, at 16 kHz. Raises ``UnusableRecording``."""
    from streamscribe_cli.load.programme import read_recording

    if paths:
        return [read_recording(path) for path in paths]
    with as_file(files("streamscribe_cli") / "samples" / SAMPLE) as path:
        return [read_recording(path)]


def _options(api_key: str | None, model: str | None, hop_ms: int | None) -> "ConnectOptions":
    asked: ConnectOptions = {}
    if api_key is not None:
        asked["api_key"] = api_key
    if model is not None:
        asked["model"] = model
    if hop_ms is not None:
        asked["hop_ms"] = hop_ms
    return asked


@contextmanager
def _server(url: str | None, streams: int, model: str | None) -> Iterator[str]:
    """The server's address; one of its own where none was given."""
    if url is not None:
        yield url
        return
    from streamscribe_cli.server_process import local_server, terminated_in_good_order

    most = str(streams + 1)  # one more looks first whether all is well
    room = ("--max-sessions", most, "--opens-per-minute", most)
    chosen = ("--model", model) if model is not None else ()
    click.echo("starting: streamscribe serve --port 0", err=True)
    with (
        terminated_in_good_order(),
        local_server("--log-level", "warning", *room, *chosen) as server,
    ):
        yield server.url


async def _run(plan: "LoadPlan", recordings: "list[Samples]") -> "Load":
    from rich.live import Live

    from streamscribe_cli.load.display import watched
    from streamscribe_cli.load.load import Load, probe
    from streamscribe_cli.load.programme import make_programme

    terms = await probe(plan.url, plan.options)
    programme = make_programme(
        recordings, endpoint_silence_ms=terms.endpoint_silence_ms, seed=plan.seed
    )
    load = Load(plan, programme)
    shown = sys.stderr.isatty()
    live = Live(console=_console(stderr=True), auto_refresh=False, transient=True)

    def show(load: Load) -> bool:
        if shown:
            live.update(watched(load), refresh=True)
        return False

    with live if shown else nullcontext():
        await load.run(show)
    return load


def _judge(load: "Load", figures: dict[str, Any]) -> None:
    """Raises ``LoadFailed`` when the figures are not those of a load that was served."""
    broken = next((player for player in load.players if player.error and player.log), None)
    failed = next((player for player in load.players if player.error), None)
    if not figures["connected"] and failed is not None:
        raise LoadFailed(f"no stream was served: {failed.message}")
    if figures["failed"]:
        first = broken or failed
        said = f"; the first: {first.message}" if first is not None else ""
        raise LoadFailed(f"{figures['failed']} of {figures['streams']} streams broke{said}")
    if not figures["words"]:
        raise LoadFailed("no text came back: is there speech in the recordings?")


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr) if stream.isatty() else Console(stderr=stderr, width=100)
