"""The command ``streamscribe``: finds its subcommands and says errors in one line.

Subcommands are entry points of the group ``streamscribe.commands``. Only the one asked for is
imported; ``--help`` imports none of ours, so it stays fast.

Exit codes: 0 done, 1 failed, 2 bad input or usage, 130 interrupted.
"""

import difflib
from importlib.metadata import EntryPoint, entry_points

import click

GROUP = "streamscribe.commands"

HELP = {
    "bench": "Play many live streams, say how late captions are.",
    "check": "Say what is installed, what is missing, how fast this is.",
    "demo": "Watch captions grow, live, from the sample that is included.",
    "export": "Turn a Hugging Face checkpoint into a bundle to serve.",
    "finetune": "Train a small head on the default model's encoder.",
    "listen": "Caption what the microphone hears.",
    "models": "List, fetch and find models.",
    "serve": "Serve live transcription over WebSockets.",
    "transcribe": "Turn recordings into text, JSON or subtitles.",
}
"""One line for each command of ours, so that listing them imports nothing."""


class Commands(click.Group):
    """The group of all subcommands that are installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all subcommands, sorted."""
        return sorted(entry_points(group=GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand; ``None`` when there is none of this name."""
        found = entry_points(group=GROUP, name=cmd_name)
        if not found:
            return None
        return _load(next(iter(found)))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands; only those of other packages are imported for it."""
        lines = [(point.name, _help(point)) for point in sorted(entry_points(group=GROUP))]
        if lines:
            with formatter.section("Commands"):
                formatter.write_dl(lines)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand that is asked for, or suggest the one that was meant."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], names, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(names)}."
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; what it raises on purpose becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)
        except _said_in_one_line() as error:
            if ctx.params["traceback"] or isinstance(error, BrokenPipeError):
                raise
            for line in (f"error: {_said(error)}", *getattr(error, "__notes__", ())):
                click.echo(line, err=True)
            ctx.exit(2 if isinstance(error, _bad_input()) else 1)


def _load(point: EntryPoint) -> click.Command:
    command = point.load()
    if not isinstance(command, click.Command):
        raise click.ClickException(f"{point.value}, called {point.name!r}, is not a click command")
    return command


def _help(point: EntryPoint) -> str:
    if point.value.startswith("streamscribe_") and point.name in HELP:
        return HELP[point.name]
    try:
        return _load(point).get_short_help_str()
    except (ImportError, AttributeError, click.ClickException) as error:
        return f"(can't be loaded: {error})"


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _said_in_one_line() -> tuple[type[Exception], ...]:
    """Errors that need no traceback; ours are imported only when something was raised."""
    from streamscribe.errors import StreamscribeError
    from streamscribe_client.errors import ServerError
    from streamscribe_protocol.errors import ProtocolError

    return OSError, StreamscribeError, ProtocolError, ServerError


def _bad_input() -> tuple[type[Exception], ...]:
    from streamscribe.errors import AudioError, OptionError, UnknownModel

    return AudioError, OptionError, UnknownModel, FileNotFoundError, IsADirectoryError


def _show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from streamscribe.version import __version__

        click.echo(f"streamscribe {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--traceback", is_flag=True, help="Show where in the code an error arose.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli(traceback: bool) -> None:
    """Live audio in, text out while people are still talking."""


def main() -> None:
    """Run the command line of this process."""
    cli(prog_name="streamscribe")
