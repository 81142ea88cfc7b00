"""Loads against real sockets: scripted servers say what has to be counted."""

import asyncio
import builtins
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from websockets.sync.server import ServerConnection

from fakes_live import RunningServer, running_server, wait_until_gone
from fakes_server import ScriptedRecognizer
from fakes_wire_server import answer_start, refusing_server, scripted_server
from streamscribe_cli.bench import LoadFailed, bench
from streamscribe_cli.load import file_limit, load, player
from streamscribe_cli.load.display import watched
from streamscribe_cli.load.file_limit import TooFewFiles, allow_sockets
from streamscribe_cli.load.load import Load, LoadPlan
from streamscribe_cli.load.player import State
from streamscribe_cli.load.programme import make_programme
from streamscribe_cli.load.report import figures_of, lines_of
from streamscribe_cli.main import cli
from streamscribe_protocol.messages import Error as WireError
from streamscribe_protocol.messages import encode
from streamscribe_server.limits import Limits


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time to settle, hardly a tail."""
    monkeypatch.setattr(load, "SETTLE_S", 0.0)
    monkeypatch.setattr(load, "TAIL_S", 0.1)
    monkeypatch.setattr(load, "WATCH_S", 0.05)


@contextmanager
def served(recognizer: ScriptedRecognizer, limits: Limits | None = None) -> Iterator[RunningServer]:
    """A server that is stopped once its side of every connection is closed."""
    with running_server(recognizer, limits) as server:
        yield server
        wait_until_gone(server)


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A second of what the scripted engine takes for speech."""
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.full(16_000, 0.1), 16_000)
    return path


def run(*arguments: str | float | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)])


def played(url: str, streams: int = 2, seconds: float = 0.3) -> Load:
    plan = LoadPlan(url=url, streams=streams, seconds=seconds, ramp_s=0.05)
    tone = np.full(16_000, 0.1, dtype=np.float32)
    found = Load(plan, make_programme([tone], endpoint_silence_ms=800, seed=0))
    asyncio.run(found.run())
    return found


def test_every_stream_is_played_to_its_end_and_measured(noise: Path, tmp_path: Path) -> None:
    json_file, plot_file = tmp_path / "load.json", tmp_path / "load.svg"
    with served(ScriptedRecognizer()) as server:
        result = run(
            "--url", server.url, "--streams", 3, "--seconds", 2, "--ramp-s", 0.1,
            "--audio", noise, "--json", json_file, "--plot", plot_file,
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "3 connected, 0 refused, 0 failed, 3 finished" in result.output
    figures: dict[str, Any] = json.loads(json_file.read_text())
    assert figures["partials"]["count"] > 0 and 0 <= figures["partials"]["p50_s"] < 2
    assert figures["hop"]["audio"]["p50_s"] == pytest.approx(0.5)
    assert [one["stream"] for one in figures["by_stream"]] == [0, 1, 2]
    assert plot_file.read_text().lstrip().startswith("<?xml")


def test_streams_beyond_what_the_server_takes_are_counted_as_refused() -> None:
    with served(ScriptedRecognizer(), Limits(max_sessions=2)) as server:
        found = played(server.url, streams=5)
    figures = figures_of(found)
    assert (figures["finished"], figures["refused"], figures["failed"]) == (2, 3, 0)
    assert figures["refusal"]["count"] == 3 and figures["refusal"]["max_s"] < 5
    assert figures["errors"] == {}


def test_streams_that_the_server_breaks_are_counted_by_code() -> None:
    def breaks(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.recv()
        socket.send(encode(WireError(2, "internal", "scripted", fatal=True)))

    with scripted_server(breaks) as url:
        figures = figures_of(played(url))
    assert (figures["failed"], figures["errors"]) == (2, {"internal": 2})
    assert any("errors: internal 2x" in line for line in lines_of(figures))


def test_a_connection_that_breaks_is_told_by_its_close_code() -> None:
    def leaves(socket: ServerConnection) -> None:
        answer_start(socket)
        socket.recv()
        socket.close(1011)

    with scripted_server(leaves) as url:
        assert figures_of(played(url, streams=1))["errors"] == {"closed_1011": 1}


def test_a_stream_whose_end_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(socket: ServerConnection) -> None:
        answer_start(socket)
        for _ in socket:
            pass

    monkeypatch.setattr(player, "DRAIN_MAX_S", 0.2)
    with scripted_server(silent) as url:
        figures = figures_of(played(url, streams=1))
    assert (figures["finished"], figures["errors"]) == (0, {"not_finished": 1})


def test_a_hopeless_load_is_stopped() -> None:
    with served(ScriptedRecognizer()) as server:
        plan = LoadPlan(url=server.url, streams=2, seconds=60, ramp_s=0)
        tone = np.full(16_000, 0.1, dtype=np.float32)
        found = Load(plan, make_programme([tone], endpoint_silence_ms=800, seed=0))
        asyncio.run(found.run(lambda now: now.count(State.CONNECTED) == 2))
    assert found.stopped_early and found.passed_s < 30


def test_what_is_shown_meanwhile_has_a_line_for_everything() -> None:
    from rich.console import Console

    with served(ScriptedRecognizer(), Limits(max_sessions=1)) as server:
        found = played(server.url, streams=2, seconds=2)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(watched(found))
    shown = " ".join(captured.get().split())
    assert "0 connected, 1 refused, 0 failed, 1 finished" in shown
    assert "partials 0." in shown and "errors none" in shown


# What can't be


def test_a_server_that_is_not_there_is_named() -> None:
    result = run("--url", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "can't connect to ws://127.0.0.1:1/v1/stream: Connection refused" in result.stderr


def test_a_server_that_wants_a_key_says_how_to_give_it() -> None:
    with refusing_server(401) as url:
        result = run("--url", url)
    assert result.exit_code == 1 and "--api-key" in result.stderr


def test_a_wrong_key_is_not_shown() -> None:
    with refusing_server(401) as url:
        result = run("--url", url, "--api-key", "a-secret-key-of-mine")
    assert result.exit_code == 1 and "it wants an API key" in result.stderr
    assert "secret" not in result.output


def test_a_file_without_audio_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    result = run("--audio", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {path}: the file is empty (0 bytes)\n"


def test_no_streams_are_no_load() -> None:
    result = run("--streams", 0)
    assert result.exit_code == 2 and "'--streams': 0 is not in the range x>=1" in result.stderr


def test_a_load_from_which_no_text_came_has_failed(noise: Path) -> None:
    recognizer = ScriptedRecognizer(words_per_hop=0)
    with served(recognizer) as server:
        result = run("--url", server.url, "--streams", 1, "--seconds", 1, "--audio", noise)
    assert result.exit_code == 1 and "no text came back" in result.stderr


def test_without_matplotlib_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def without(name: str, *rest: Any) -> Any:  # noqa: ANN401
        if name == "matplotlib":
            raise ImportError(name)
        return imported(name, *rest)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    result = run("--plot", tmp_path / "load.svg")
    assert result.exit_code == 1
    assert "pip install 'streamscribe[bench]'" in result.stderr


def test_more_streams_than_open_files_say_what_to_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 200))
    with pytest.raises(TooFewFiles, match="1000 streams need 1100 open files; the system allows"):
        allow_sockets(1_000)


def test_the_limit_of_open_files_is_raised_as_far_as_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import resource

    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    allow_sockets(1_000)
    assert asked == [(1_000 + file_limit.SPARE, 4_096)]


def test_the_command_is_listed_with_what_it_does() -> None:
    assert "Play many live streams" in CliRunner().invoke(cli, ["--help"]).output
    assert bench.name == "bench" and issubclass(LoadFailed, Exception)
