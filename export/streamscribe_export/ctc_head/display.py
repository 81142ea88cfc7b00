"""What is shown while a head is made: a bar for each stage, a line for each epoch, a table."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


class Display:
    """Writes to a terminal; elsewhere bars are left out."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    @contextmanager
    def counting(self, title: str, total: float) -> Iterator[Callable[[float], None]]:
        """A bar that is advanced by calling what is given."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        hidden = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=hidden) as bars:
            bar = bars.add_task(title, total=total)
            yield lambda amount: bars.advance(bar, amount)
        self._console.print(f"[green]done[/green] {title}")

    def say(self, line: str) -> None:
        """One line that stays."""
        self._console.print(line, highlight=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A closing table; all columns but the first are numbers."""
        table = Table(title=title)
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
