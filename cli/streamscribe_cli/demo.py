"""``streamscribe demo``: a real server, a real client, real speech, and what it all took."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import click

from streamscribe.device import AUTO
from streamscribe.errors import AudioError, StreamscribeError
from streamscribe_cli.audio_files import Recording, UnusableRecording, open_recording
from streamscribe_cli.check import SAMPLE
from streamscribe_cli.devices import device_option
from streamscribe_cli.display import open_display
from streamscribe_cli.latency import Arrival, Measured, measure, paced, packets
from streamscribe_cli.server_process import ServerProcess, local_server, terminated_in_good_order
from streamscribe_client import ServerError, connect

SILENCE_AFTER_MS = 500
"""Sent after the endpoint's silence, so that the last segment closes as it would live."""
RTF = re.compile(r" closed: .*\brtf=(?P<rtf>[\d.]+)")

NEXT = """\
Next:
  streamscribe listen            caption your own voice
  streamscribe transcribe FILE   turn a recording into text or subtitles
  streamscribe serve             keep a server running for other programs"""


class NothingHeard(StreamscribeError):
    """No text came."""

    code = "nothing_heard"


@click.command()
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A recording of your own instead of the sample.",
)
@device_option
def demo(file: Path | None, device: str) -> None:
    """Watch captions grow, live, from the sample that is included.

    Starts a server, sends it a recording as fast as it was spoken, shows what comes back, and
    says how long everything took. Words that may still change are dim; where the output is not a
    terminal, they stand behind a bar.
    """
    with (
        terminated_in_good_order(),
        _sample(file) as path,
        _opened(path) as recording,
    ):
        options = () if device == AUTO else ("--device", device)
        click.echo(" ".join(("starting: streamscribe serve --port 0", *options)))
        with local_server(*options) as server:
            click.echo(f"it listens on {server.url} with the model {server.model}")
            click.echo(f"sending {path.name}, {recording.length_s:.0f} s, as fast as spoken\n")
            with _explained_by_log(server):
                measured = _stream(server, recording)
            server.stop()
            for line in report(server.start_s, server.log(), measured):
                click.echo(line)
    if measured.words == 0:
        raise NothingHeard(f"no text came back for {path.name}: is there speech in it?")


@contextmanager
def _explained_by_log(server: ServerProcess) -> Iterator[None]:
    """Add what the server has logged to what the client says about a failure."""
    try:
        yield
    except (ServerError, ConnectionError) as error:
        server.stop()
        logged = last_error(server.log())
        if logged:
            error.add_note(f"the server's log says:\n{logged}")
        raise


def last_error(log: str) -> str:
    """The newest entry of level ERROR and what follows it; empty if there is none."""
    _, found, entry = log.rpartition(" ERROR ")
    return entry.rstrip() if found else ""


def _stream(server: ServerProcess, recording: Recording) -> Measured:
    """Send the recording, show what comes, and measure it."""
    format = recording.format
    arrivals: list[Arrival] = []
    with (
        connect(
            server.url,
            rate=format.rate_hz,
            encoding=str(format.encoding),
            channels=format.channels,
        ) as stream,
        open_display(partials_as_lines=True) as display,
    ):
        silence_ms = stream.options.endpoint_silence_ms
        pieces = packets(format, recording.blocks, silence_ms=silence_ms + SILENCE_AFTER_MS)
        started_s = time.perf_counter()
        stream.send_soon(paced(format, pieces, started_s))
        for event in stream:
            arrivals.append(Arrival(event, (time.perf_counter() - started_s) * 1_000))
            display.show(event)
    return measure(arrivals, endpoint_silence_ms=silence_ms)


def report(start_s: float, log: str, measured: Measured) -> Iterator[str]:
    """What was measured, a line each. ``log`` is the server's, of one whole stream."""
    yield "\nMeasured:"
    yield _row("server ready", f"{start_s:.1f} s", "after it was started")
    yield _row("first words shown", _ms(measured.first_words_ms), "after they began")
    final_ms, silence_ms = measured.final_ms, measured.silence_ms
    if final_ms is not None:
        yield _row("final text", _ms(final_ms), "after the speaker stopped; of these")
        yield _row("", _ms(silence_ms), "of silence, to be sure of that")
        yield _row("", _ms(final_ms - silence_ms), "for all the rest")
    revised = f"{measured.revised} of {measured.words} words changed after they were shown"
    yield _row("partials", str(measured.partials), revised)
    rtf = RTF.search(log)
    if rtf is not None:
        yield _row("computing", f"{float(rtf['rtf']):.2f} s", "per second of audio")
    yield ""
    yield NEXT


def _row(subject: str, number: str, rest: str = "") -> str:
    return f"  {subject:18}{number:>8}  {rest}".rstrip()


def _ms(time_ms: float | None) -> str:
    return "-" if time_ms is None else f"{time_ms:.0f} ms"


@contextmanager
def _sample(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with as_file(files("streamscribe_cli") / "samples" / SAMPLE) as path:
        yield path


@contextmanager
def _opened(path: Path) -> Iterator[Recording]:
    try:
        with open_recording(path, _warn) as recording:
            yield recording
    except AudioError as error:
        raise UnusableRecording(f"{path}: {error}") from error


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)
