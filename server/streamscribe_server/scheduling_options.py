"""Options of ``streamscribe serve`` that say how the work is shared out."""

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

from streamscribe_server.scheduling import Scheduling, default_scheduling

Command = TypeVar("Command", bound=Callable[..., Any])


class Sharing(TypedDict):
    """The options' values."""

    workers: int | None
    max_batch: int
    coalesce: bool


def scheduling_options(command: Command) -> Command:
    """Adds the options to a command."""
    for option in reversed(
        (
            click.option(
                "--workers",
                type=click.IntRange(1, 64),
                help="Threads that call the model side by side [default: one per core, at most 4].",
            ),
            click.option(
                "--max-batch",
                default=Scheduling().max_batch,
                show_default=True,
                type=click.IntRange(1, 256),
                help="Most streams whose steps share one call of the model.",
            ),
            click.option(
                "--coalesce/--no-coalesce",
                default=True,
                show_default=True,
                help="Leave out partials that come too late to be of use, when overloaded.",
            ),
        )
    ):
        command = option(command)
    return command


def scheduling_of(sharing: Sharing) -> Scheduling:
    """What was chosen, and for the rest what suits this machine."""
    workers = sharing["workers"] or default_scheduling().workers
    return Scheduling(workers=workers, max_batch=sharing["max_batch"], coalesce=sharing["coalesce"])
