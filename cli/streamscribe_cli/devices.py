"""``--device``, as the commands that load a model take it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamscribe.device import ALLOWED, AUTO

F = TypeVar("F", bound=Callable[..., Any])


def device_option(command: F) -> F:
    """Add the option; its text is for ``parse_devices``."""
    add = click.option(
        "--device",
        default=AUTO,
        show_default=True,
        help=f"What the model runs on: {ALLOWED}.",
    )
    return add(command)
