"""What people see while audio is transcribed: captions that grow, finals that stay, a bar.

Whatever was printed as a final is never rewritten. Only the caption that is still open, at most
two lines at the bottom of a terminal, changes in place, and below it, while a connection to a
server is broken, a line that says so.
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import click
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from streamscribe_cli.audio_files import BLOCK_S, Recording
from streamscribe_client.events import Disconnected, Reconnected, StreamEvent
from streamscribe_protocol.messages import Error, Final, Gap, Partial

OPEN_LINES = 2
"""Lines of the open caption that are shown: its newest ones."""
TENTATIVE = "dim italic"
BROKEN = "the connection is broken; trying again"
RESTORED = "connected again"
LOST = "audio was lost while the connection was broken"


class Display(Protocol):
    """Shows a stream's events."""

    def show(self, event: StreamEvent) -> None:
        """Take the stream's next event."""
        ...


class Captions:
    """For terminals: committed words plain, tentative ones dim, finals scroll away above."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        self._caption = Text()

    def show(self, event: StreamEvent) -> None:
        """See ``Display``."""
        match event:
            case Partial():
                self._caption = self._open_caption(event)
                self._draw()
            case Final():
                self._caption = Text()
                self._draw()
                if event.text:
                    self._console.print(Text(event.text))
            case Disconnected():
                self._draw(BROKEN)
            case Reconnected():
                self._draw(RESTORED)
            case Error() | Gap():
                _warn(event)

    def _draw(self, status: str = "") -> None:
        status_line = Text(status, style="reverse", no_wrap=True, overflow="ellipsis")
        lines = [part for part in (self._caption, status_line) if part]
        self._live.update(Text("\n").join(lines), refresh=True)

    def _open_caption(self, partial: Partial) -> Text:
        caption = Text(partial.text[: partial.committed])
        caption.append(partial.text[partial.committed :], style=TENTATIVE)
        lines = caption.wrap(self._console, self._console.width)
        return Text("\n").join(lines[-OPEN_LINES:])


class Lines:
    """For files and pipes: a line for every final, and for every partial too if asked for.

    A bar stands where the committed part of a partial ends: ``[0.93] And so|, my``.
    """

    def __init__(self, *, partials: bool) -> None:
        self._partials = partials

    def show(self, event: StreamEvent) -> None:
        """See ``Display``."""
        match event:
            case Partial(text=text, committed=committed) if self._partials:
                click.echo(f"[{event.at_ms / 1_000:5.2f}] {text[:committed]}|{text[committed:]}")
            case Final(text=text) if text:
                place = f"[{event.end_ms / 1_000:5.2f}] final: " if self._partials else ""
                click.echo(place + text)
            case Disconnected(reason=reason):
                click.echo(f"{BROKEN}: {reason}", err=True)
            case Reconnected(after_s=after_s):
                click.echo(f"{RESTORED} after {after_s:.1f} s", err=True)
            case Error() | Gap():
                _warn(event)


@contextmanager
def open_captions(console: Console) -> Iterator[Captions]:
    """Captions at the bottom of ``console``, which is whole again afterwards."""
    with Live(
        console=console, auto_refresh=False, transient=True, vertical_overflow="visible"
    ) as live:
        yield Captions(console, live)


def open_display(*, partials_as_lines: bool) -> AbstractContextManager[Display]:
    """Captions on a terminal, otherwise lines."""
    if sys.stdout.isatty():
        return open_captions(Console(highlight=False))
    return nullcontext(Lines(partials=partials_as_lines))


class ProgressBar:
    """How much of a recording was read, on standard error."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def followed(self, recording: Recording) -> Iterator[bytes]:
        """The recording's blocks, each of them advancing the bar."""
        for block in recording.blocks:
            yield block
            self._progress.advance(self._task, BLOCK_S)

    def echo(self, text: str) -> None:
        """Write to standard output; on a terminal, above the bar."""
        self._progress.stop()
        click.echo(text, nl=False)
        self._progress.start()


@contextmanager
def open_progress_bar(name: str, length_s: float | None, *, shown: bool) -> Iterator[ProgressBar]:
    """The bar of one recording; nothing is shown where standard error is no terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    ) as progress:
        yield ProgressBar(progress, progress.add_task(name, total=length_s))


def _warn(event: Error | Gap) -> None:
    said = LOST if isinstance(event, Gap) else f"{event.code}: {event.message}"
    click.echo(f"warning: {said}", err=True)
