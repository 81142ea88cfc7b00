"""The options of ``streamscribe serve`` that say what it tells of its work."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from streamscribe_server.logs import LogFormat

if TYPE_CHECKING:
    from streamscribe_server.tracing import Traces

F = TypeVar("F", bound=Callable[..., Any])


class Watch(TypedDict):
    """Options of the same names."""

    log_level: str
    log_format: LogFormat
    traces: bool


def watch_options(command: F) -> F:
    """Add the options of ``Watch``."""
    for option in reversed(
        (
            click.option(
                "--log-level",
                default="info",
                show_default=True,
                type=click.Choice(["debug", "info", "warning", "error"]),
                help="Least serious lines to log.",
            ),
            click.option(
                "--log-format",
                default="text",
                show_default=True,
                type=click.Choice(["text", "json"]),
                help="Log lines for people, or one JSON object a line.",
            ),
            click.option(
                "--traces",
                is_flag=True,
                help="Send OpenTelemetry traces where the variables OTEL_... say (extra otel).",
            ),
        )
    ):
        command = option(command)
    return command


def traces_of(watch: Watch) -> "Traces | None":
    """Where traces go, if they are asked for. Raises ``click.UsageError`` without the packages."""
    if not watch["traces"]:
        return None
    try:
        from streamscribe_server.tracing import traces_from_environment

        return traces_from_environment()
    except ImportError as error:
        hint = "pip install 'streamscribe[otel]'"
        raise click.UsageError(f"--traces needs {error.name}: {hint}") from error
