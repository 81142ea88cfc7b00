import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from streamscribe_cli import demo, server_process
from streamscribe_cli.demo import last_error, report
from streamscribe_cli.latency import Measured
from streamscribe_cli.main import cli
from streamscribe_cli.server_process import ServerDidNotStart, ServerProcess, local_server
from streamscribe_client import connect

MEASURED = Measured(
    first_words_ms=640.2, final_ms=842.0, silence_ms=800, partials=19, words=22, revised=6
)
LOG = "INFO engine: stream 1 closed: audio_s=12.3 rtf=0.123 lag_max_ms=9 steps=21 reason=done\n"


def alive(server: ServerProcess) -> bool:
    return server.process.poll() is None


def test_the_report_tells_the_wait_for_silence_from_the_work() -> None:
    assert [" ".join(line.split()) for line in report(1.44, LOG, MEASURED)][:7] == [
        "Measured:",
        "server ready 1.4 s after it was started",
        "first words shown 640 ms after they began",
        "final text 842 ms after the speaker stopped; of these",
        "800 ms of silence, to be sure of that",
        "42 ms for all the rest",
        "partials 19 6 of 22 words changed after they were shown",
    ]


def test_the_report_has_the_servers_own_figure_for_computing() -> None:
    assert any("0.12 s  per second of audio" in line for line in report(1.4, LOG, MEASURED))


def test_the_report_leaves_out_what_was_not_measured() -> None:
    nothing = Measured(None, None, 800, 0, 0, 0)
    lines = list(report(1.4, "", nothing))
    assert not any("final text" in line or "computing" in line for line in lines)


def test_the_report_ends_with_what_to_try_next() -> None:
    last = list(report(1.4, LOG, MEASURED))[-1]
    commands = [line.split()[1] for line in last.splitlines()[1:]]
    assert commands == ["listen", "transcribe", "serve"]


def test_a_server_of_our_own_asks_for_no_key_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSCRIBE_API_KEYS", "x" * 32)
    monkeypatch.delenv("STREAMSCRIBE_API_KEY", raising=False)
    with local_server() as server, connect(server.url) as stream:
        assert stream.model == server.model


def test_a_server_listens_while_the_block_runs_and_is_gone_afterwards() -> None:
    with local_server() as server:
        assert server.url.startswith("ws://127.0.0.1:")
        assert (server.model, alive(server)) == ("moonshine-tiny-en", True)
    assert not alive(server)


def test_a_server_is_gone_after_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), local_server() as server:
        raise ZeroDivisionError
    assert not alive(server)


def test_a_server_that_does_not_end_when_told_to_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "STOP_MAX_S", 0.0)
    with local_server() as server:
        pass
    assert not alive(server)


def test_a_server_that_does_not_start_is_quoted() -> None:
    said = "the server did not start: no model is called"
    with pytest.raises(ServerDidNotStart, match=said), local_server("--model", "no-such-model"):
        pass


def test_a_server_that_is_too_slow_to_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "START_MAX_S", 0.01)
    with pytest.raises(ServerDidNotStart, match="said nothing"), local_server():
        pass


def test_a_file_that_can_not_be_used_is_refused_before_a_server_is_started(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing.wav"
    result = CliRunner().invoke(cli, ["demo", "--file", str(path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {path}: No such file or directory\n"


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[ServerProcess]:
    """The servers that the demo starts."""
    started: list[ServerProcess] = []

    @contextmanager
    def noted(*options: str) -> Iterator[ServerProcess]:
        with local_server(*options) as server:
            started.append(server)
            yield server

    monkeypatch.setattr(demo, "local_server", noted)
    return started


def test_no_text_at_all_is_a_failure(servers: list[ServerProcess], tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(1_600), 16_000)
    result = CliRunner().invoke(cli, ["demo", "--file", str(path)])
    assert result.exit_code == 1
    assert "no text came back for silence.wav" in result.stderr
    assert not alive(servers[0])


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_the_server_does_not_outlive_an_interrupted_demo(
    number: signal.Signals,
    exit_code: int,
    servers: list[ServerProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupting(format: object, pieces: Iterable[bytes], started_s: float) -> Iterator[bytes]:
        os.kill(os.getpid(), number)
        yield from pieces

    monkeypatch.setattr(demo, "paced", interrupting)
    result = CliRunner().invoke(cli, ["demo"])
    assert result.exit_code == exit_code
    assert not alive(servers[0])


def test_the_servers_device_is_the_one_that_is_asked_for() -> None:
    result = CliRunner().invoke(cli, ["demo", "--device", "cuda:99"])
    assert result.exit_code == 1
    assert "starting: streamscribe serve --port 0 --device cuda:99\n" in result.stdout
    assert "the server did not start: device cuda:99 can't be used" in result.stderr


def test_of_a_servers_log_the_newest_error_is_quoted() -> None:
    log = "1 ERROR a: first\n2 INFO a: fine\n3 ERROR b: second\nTraceback:\nKeyError: 'odd'\n"
    assert last_error(log) == "b: second\nTraceback:\nKeyError: 'odd'"


def test_a_servers_log_without_an_error_is_not_quoted() -> None:
    assert last_error("1 INFO a: fine\n") == ""
