"""Options of ``streamscribe serve`` that say how the work is shared out."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar

import click

from streamscribe.device import CPU, Device
from streamscribe_server.scheduling import (
    CPU_BATCH,
    GPU_BATCH,
    MOST_WORKERS,
    Scheduling,
    default_scheduling,
)

Command = TypeVar("Command", bound=Callable[..., Any])


class Sharing(TypedDict):
    """The options' values."""

    workers: int | None
    max_batch: int | None
    coalesce: bool


def scheduling_options(command: Command) -> Command:
    """Adds the options to a command."""
    for option in reversed(
        (
            click.option(
                "--workers",
                type=click.IntRange(1, 64),
                help="Threads that call the model side by side"
                f" [default: one per core, at most {MOST_WORKERS}; on a GPU 1].",
            ),
            click.option(
                "--max-batch",
                type=click.IntRange(1, 256),
                help="Most streams whose steps share one call of the model"
                f" [default: {CPU_BATCH}, on a GPU {GPU_BATCH}].",
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


def scheduling_of(sharing: Sharing, devices: Sequence[Device]) -> Scheduling:
    """What was chosen, and for the rest what suits the devices."""
    suits = default_scheduling(on_gpu=any(device != CPU for device in devices))
    return Scheduling(
        workers=sharing["workers"] or suits.workers,
        max_batch=sharing["max_batch"] or suits.max_batch,
        coalesce=sharing["coalesce"],
    )
