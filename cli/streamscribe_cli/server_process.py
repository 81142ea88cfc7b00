"""A server of this installation as a child process, on a free port of this machine."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO

from streamscribe.errors import StreamscribeError

START_MAX_S = 60.0
"""Longest wait for a server to listen; loading the default model takes about a second."""
STOP_MAX_S = 5.0
"""Longest wait for it to end; then it is killed."""
LISTENING = re.compile(r"listening on (?P<url>\S+) \(model (?P<model>.+)\)")


class ServerDidNotStart(StreamscribeError):
    """The server ended, or was too slow, before it listened."""

    code = "server_did_not_start"


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that listens."""

    url: str
    model: str
    start_s: float
    """From the start of the process until it listened."""
    process: subprocess.Popen[str]
    _log: IO[str]

    def log(self) -> str:
        """What it has logged so far."""
        return _read(self._log)

    def stop(self) -> None:
        """End it in good order, or else by force; its log is whole then. May be called again."""
        _stop(self.process)


@contextmanager
def local_server(*options: str) -> Iterator[ServerProcess]:
    """``streamscribe serve`` with ``options``, running while the block runs.

    Raises ``ServerDidNotStart`` with the server's own error.
    """
    command = [sys.executable, "-P", "-m", "streamscribe_cli", "serve", "--port", "0", *options]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_without_keys(),
        )
        try:
            said = _first_line(process)
            found = LISTENING.search(said)
            if found is None:
                _stop(process)
                raise _did_not_start(process.returncode, _read(log))
            start_s = time.perf_counter() - started
            yield ServerProcess(found["url"], found["model"], start_s, process, log)
        finally:
            _stop(process)


@contextmanager
def terminated_in_good_order() -> Iterator[None]:
    """SIGTERM leaves the block as an exception, so that no server outlives it."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _without_keys() -> dict[str, str]:
    """The environment less the keys of other servers: whoever starts this one has none of them."""
    return {name: value for name, value in os.environ.items() if name != "STREAMSCRIBE_API_KEYS"}


def _first_line(process: subprocess.Popen[str]) -> str:
    """The first line that the process prints; empty if it ends, or takes too long, without one."""
    assert process.stdout is not None
    too_slow = threading.Timer(START_MAX_S, process.kill)
    too_slow.start()
    try:
        return process.stdout.readline()
    finally:
        too_slow.cancel()


def _did_not_start(status: int, log: str) -> ServerDidNotStart:
    lines = log.splitlines()
    errors = [at for at, line in enumerate(lines) if line.startswith(("error:", "Error:"))]
    if not errors:
        last = lines[-1] if lines else f"it ended with status {status} and said nothing"
        return ServerDidNotStart(f"the server did not start: {last}")
    said, *notes = lines[errors[-1] :]
    failure = ServerDidNotStart(f"the server did not start: {said.partition(': ')[2]}")
    for note in notes:
        failure.add_note(note)
    return failure


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):  # by force, then
            process.wait(STOP_MAX_S)
    finally:  # where somebody gets impatient and presses Ctrl-C again, too
        process.kill()
        process.wait()
        process.stdout.close()


def _read(log: IO[str]) -> str:
    log.seek(0)
    return log.read()
