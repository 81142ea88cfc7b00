"""A progress bar where somebody watches, and nothing where the output goes to a file."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def with_progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items one by one, with a bar on the terminal that says what is being done."""
    console = Console(stderr=True)
    yield from track(items, what, console=console, transient=True, disable=not console.is_terminal)
