"""What people see while audio is transcribed: captions that grow, finals that stay, a bar.

Whatever was printed as a final is never rewritten. Only the caption that is still open, at most
two lines at the bottom of a terminal, changes in place.
"""

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from streamscribe_cli.audio_files import BLOCK_S, Recording
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import Error, Final, Partial

OPEN_LINES = 2
"""Lines of the open caption that are shown: its newest ones."""
TENTATIVE = "dim italic"


class Display(Protocol):
    """Shows a stream's events while the block runs."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, event: StreamEvent) -> None:
        """Take the stream's next event."""
        ...


class Captions:
    """For terminals: committed words plain, tentative ones dim, finals scroll away above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="visible",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, event: StreamEvent) -> None:
        """See ``Display``."""
        match event:
            case Partial():
                self._live.update(self._open_caption(event), refresh=True)
            case Final():
                self._live.update(Text(), refresh=True)
                if event.text:
                    self._console.print(Text(event.text))
            case Error():
                _warn(event)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def show(self, event: StreamEvent) -> None:
        """See ``Display``."""
        match event:
            case Partial(text=text, committed=committed) if self._partials:
                click.echo(f"[{event.at_ms / 1_000:5.2f}] {text[:committed]}|{text[committed:]}")
            case Final(text=text) if text:
                place = f"[{event.end_ms / 1_000:5.2f}] final: " if self._partials else ""
                click.echo(place + text)
            case Error():
                _warn(event)


def make_display(*, partials_as_lines: bool) -> Display:
    """Captions on a terminal, otherwise lines."""
    if sys.stdout.isatty():
        return Captions(Console(highlight=False))
    return Lines(partials=partials_as_lines)


class ProgressBar:
    """How much of a recording was read, on standard error, if that is a terminal."""

    def __init__(self, name: str, length_s: float | None, *, shown: bool) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
        self._shown = shown and console.is_terminal
        self._progress = Progress(
            *columns,
            console=console,
            transient=True,
            disable=not self._shown,
        )
        self._task: TaskID = self._progress.add_task(name, total=length_s)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

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


def _warn(error: Error) -> None:
    click.echo(f"warning: {error.code}: {error.message}", err=True)
