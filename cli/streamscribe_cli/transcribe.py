"""``streamscribe transcribe``: recordings to text, JSON or subtitles."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import click

from streamscribe.codec import Encoding
from streamscribe.errors import AudioError
from streamscribe.ingest import AudioFormat
from streamscribe_cli.audio_files import Recording, open_recording, raw_recording
from streamscribe_cli.devices import device_option
from streamscribe_cli.display import BROKEN, LOST, open_progress_bar
from streamscribe_cli.transcriber import (
    Chosen,
    Transcriber,
    make_transcriber,
    transcriber_options,
)
from streamscribe_cli.transcript import Format, written
from streamscribe_client.events import Disconnected
from streamscribe_protocol.captions import to_text
from streamscribe_protocol.messages import Error, Final, Gap

if TYPE_CHECKING:
    from streamscribe_cli.audio_files import RawSource

STDIN = "-"
BAR_MIN_S = 10
"""Shorter recordings are done before a progress bar could be read."""
BAD_INPUT = 2


@dataclass(frozen=True, slots=True)
class Source:
    """One recording as it was asked for, and where its transcript goes."""

    given: str
    """Path, or ``-``."""
    target: Path | None
    """``None``: standard output."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return "standard input" if self.given == STDIN else self.given


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format",
    "written_as",
    type=click.Choice([format.value for format in Format]),
    default=Format.TEXT.value,
    show_default=True,
    help="What to write.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write to this file; or into this folder, one file per recording.",
)
@click.option("--rate", type=int, help="Hertz of raw audio [default: 16000].")
@click.option("--channels", type=int, help="Channels of raw audio, 1 or 2 [default: 1].")
@click.option(
    "--encoding",
    type=click.Choice([encoding.value for encoding in Encoding]),
    help="Encoding of raw audio [default: pcm_s16le].",
)
@transcriber_options
@device_option
@click.pass_context
def transcribe(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    files: tuple[str, ...],
    written_as: str,
    output: Path | None,
    rate: int | None,
    channels: int | None,
    encoding: str | None,
    device: str,
    **chosen: Unpack[Chosen],
) -> None:
    """Turn recordings into text, JSON or subtitles.

    FILE is a WAV, FLAC, OGG, MP3 or AIFF file of any sample rate, mono or stereo; '-' takes raw
    samples from standard input, as --rate, --channels and --encoding describe them. Text is
    written as soon as it is certain; the other formats are written when a recording is done,
    JSON as one object per recording and line, with times in milliseconds.

    A recording that can't be used is reported, the others are transcribed all the same, and the
    exit code is 2.
    """
    format = Format(written_as)
    raw = _raw_format(files, rate, channels, encoding)
    sources = _sources(files, format, output)
    transcriber = make_transcriber(ctx, chosen, live=False, device=device)
    failed = 0
    separator = ""
    for source in sources:
        try:
            with _opened(source, raw) as recording:
                if len(sources) > 1 and format is Format.TEXT and source.target is None:
                    click.echo(f"{separator}==> {source.name} <==")
                    separator = "\n"
                _transcribe(transcriber, source, recording, format)
        except AudioError as error:
            failed += 1
            click.echo(f"error: {source.name}: {error}", err=True)
    ctx.exit(BAD_INPUT if failed else 0)


def _raw_format(
    files: tuple[str, ...], rate: int | None, channels: int | None, encoding: str | None
) -> AudioFormat:
    if STDIN not in files and (rate, channels, encoding) != (None, None, None):
        raise click.UsageError(
            "--rate, --channels and --encoding describe raw audio ('-'); files say it themselves"
        )
    if STDIN in files and sys.stdin.isatty():
        raise click.UsageError("'-' takes raw audio from a pipe, but standard input is a terminal")
    return AudioFormat(
        encoding or "pcm_s16le",
        16_000 if rate is None else rate,
        1 if channels is None else channels,
    )


def _sources(files: tuple[str, ...], format: Format, output: Path | None) -> list[Source]:
    """What goes where. Raises ``click.UsageError`` before anything could be overwritten."""
    if files.count(STDIN) > 1:
        raise click.UsageError("'-' can be given once: there is one standard input")
    if output is None:
        if format in (Format.SRT, Format.VTT) and len(files) > 1:
            raise click.UsageError(
                f"{len(files)} recordings make {len(files)} {format} files;"
                " say which folder they go to with --output"
            )
        return [Source(given, None) for given in files]
    in_folder = len(files) > 1 or output.is_dir()
    if in_folder and output.exists() and not output.is_dir():
        raise click.UsageError(
            f"--output {output} is a file; for several recordings it is a folder"
        )
    targets = [output / _file_name(given, format) if in_folder else output for given in files]
    _refuse_overwriting(files, targets)
    return [Source(given, target) for given, target in zip(files, targets, strict=True)]


def _file_name(given: str, format: Format) -> str:
    return ("stdin" if given == STDIN else Path(given).stem) + format.suffix


def _refuse_overwriting(files: tuple[str, ...], targets: list[Path]) -> None:
    by_target: dict[Path, str] = {}
    inputs = {Path(given).resolve() for given in files if given != STDIN}
    for given, target in zip(files, targets, strict=True):
        if target.resolve() in inputs:
            raise click.UsageError(f"--output would overwrite the recording {target}")
        if target in by_target:
            raise click.UsageError(f"{by_target[target]} and {given} would both go to {target}")
        by_target[target] = given


@contextmanager
def _opened(source: Source, raw: AudioFormat) -> Iterator[Recording]:
    warn = partial(_warn, source)
    if source.given == STDIN:
        yield raw_recording(cast("RawSource", sys.stdin.buffer), raw, warn)
    else:
        with open_recording(Path(source.given), warn) as recording:
            yield recording


def _transcribe(
    transcriber: Transcriber, source: Source, recording: Recording, format: Format
) -> None:
    """Write the transcript of one recording. Raises ``AudioError``."""
    streamed = format is Format.TEXT and source.target is None
    finals: list[Final] = []
    long = recording.length_s is not None and recording.length_s > BAR_MIN_S
    with open_progress_bar(Path(source.name).name, recording.length_s, shown=long) as bar:
        blocks = bar.followed(recording)
        for event in transcriber.events(recording.format, blocks):
            match event:
                case Final():
                    finals.append(event)
                    if streamed:
                        bar.echo(to_text([event]))
                case Error(code=code, message=message):
                    _warn(source, f"{code}: {message}")
                case Disconnected(reason=reason):
                    _warn(source, f"{BROKEN}: {reason}")
                case Gap():
                    _warn(source, LOST)
    if not any(final.text for final in finals):
        _warn(source, "no speech found")
    if not streamed:
        _write(source, written(format, source.name, transcriber.model, finals))


def _write(source: Source, transcript: str) -> None:
    if source.target is None:
        click.echo(transcript, nl=False)
        return
    source.target.parent.mkdir(parents=True, exist_ok=True)
    source.target.write_text(transcript, encoding="utf-8")
    click.echo(f"{source.name} -> {source.target}", err=True)


def _warn(source: Source, message: str) -> None:
    click.echo(f"warning: {source.name}: {message}", err=True)
