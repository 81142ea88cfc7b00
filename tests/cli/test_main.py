import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import click
import pytest
from click.testing import CliRunner, Result

from streamscribe.errors import ModelMissing, OptionError, StreamscribeError, UnsupportedRate
from streamscribe.version import __version__
from streamscribe_cli import main
from streamscribe_cli.main import GROUP, HELP, cli
from streamscribe_protocol.errors import LocalProtocolError


@click.command()
@click.pass_context
def scripted(ctx: click.Context) -> None:
    """Do what the test says."""
    raise ctx.obj


@click.command()
def foreign() -> None:
    """Come from another package."""


def raising(error: BaseException, *options: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(cli, "list_commands", lambda ctx: ["scripted"])
    monkeypatch.setattr(cli, "get_command", lambda ctx, name: scripted)
    return CliRunner().invoke(cli, [*options, "scripted"], obj=error)


def with_commands(*points: EntryPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    found = EntryPoints(points)
    monkeypatch.setattr(main, "entry_points", lambda **wanted: found.select(**wanted))


def test_help_lists_every_command_with_what_it_does() -> None:
    said = CliRunner().invoke(cli, ["--help"]).output
    listed = said.partition("Commands:\n")[2].splitlines()
    assert listed == [f"  {name.ljust(10)}  {does}" for name, does in sorted(HELP.items())]


def test_help_loads_no_command_and_neither_numpy_nor_the_engine() -> None:
    script = (
        "import sys; from streamscribe_cli.main import cli;"
        "cli(['--help'], standalone_mode=False);"
        "print(sorted({name.partition('.')[0] for name in sys.modules if 'streamscribe' in name"
        " or name.partition('.')[0] in ('numpy', 'onnxruntime', 'rich', 'websockets')}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "['streamscribe_cli']"


def test_version_is_that_of_the_distribution() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"streamscribe {__version__}\n"


def test_an_unknown_command_suggests_the_one_that_was_meant() -> None:
    result = CliRunner().invoke(cli, ["modles"])
    assert (result.exit_code, "Did you mean 'models'?" in result.stderr) == (2, True)


def test_an_unknown_command_like_no_other_gets_the_list() -> None:
    result = CliRunner().invoke(cli, ["xyzzy"])
    assert (
        "There are: bench, check, demo, export, finetune, listen, models, serve, transcribe."
        in result.stderr
    )


def test_the_commands_of_other_packages_are_listed_with_their_own_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = EntryPoint("foreign", f"{__name__}:foreign", GROUP)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[foreign.callback.__module__])
    with_commands(point, monkeypatch=monkeypatch)
    assert "Come from another package." in CliRunner().invoke(cli, ["--help"]).output


def test_a_broken_command_of_another_package_does_not_break_the_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_commands(EntryPoint("odd", "no_such_package:odd", GROUP), monkeypatch=monkeypatch)
    result = CliRunner().invoke(cli, ["--help"])
    assert (result.exit_code, "can't be loaded: No module named" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (UnsupportedRate(got_hz=0, allowed_hz=(8000, 96000)), 2),
        (OptionError(name="hop_ms", got=0, allowed="100 to 5000 ms"), 2),
        (FileNotFoundError(2, "No such file or directory", "talk.wav"), 2),
        (ModelMissing("model x is not on this machine"), 1),
        (LocalProtocolError("send after finish"), 1),
        (ConnectionRefusedError("no server there"), 1),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: Exception, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = raising(error, monkeypatch=monkeypatch)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_an_error_of_the_system_names_the_file_first(monkeypatch: pytest.MonkeyPatch) -> None:
    error = PermissionError(13, "Permission denied", "talk.wav")
    assert raising(error, monkeypatch=monkeypatch).stderr == "error: talk.wav: Permission denied\n"


def test_the_note_that_says_how_to_mend_it_follows_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = StreamscribeError("wrong file")
    error.add_note("to fetch it: streamscribe models pull x")
    said = raising(error, monkeypatch=monkeypatch).stderr
    assert said == "error: wrong file\nto fetch it: streamscribe models pull x\n"


def test_traceback_is_shown_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    error = StreamscribeError("wrong file")
    assert raising(error, "--traceback", monkeypatch=monkeypatch).exception is error


def test_a_bug_is_not_disguised_as_a_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bug = ZeroDivisionError()
    assert raising(bug, monkeypatch=monkeypatch).exception is bug


def test_an_interruption_ends_silently_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    result = raising(KeyboardInterrupt(), monkeypatch=monkeypatch)
    assert (result.exit_code, result.output) == (130, "")
