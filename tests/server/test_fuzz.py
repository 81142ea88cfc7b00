"""A part of ``python -m bench fuzz`` against a scripted engine."""

import asyncio
import logging
from collections.abc import Iterator
from random import Random

import pytest
from bench.answers import faults_of
from bench.documented import documented
from bench.fuzz import converse
from bench.fuzz_attacks import Target, compressed, dropped, odd_upgrades
from bench.fuzz_frames import ECHOED, conversation

from fakes_live import RunningServer, get, running_server, transcript
from fakes_server import ScriptedRecognizer
from streamscribe_server.limits import Limits

CONVERSATIONS = 120
WORKERS = 8


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    limits = Limits(handshake_timeout_s=0.5, resume_s=0.5)
    with running_server(ScriptedRecognizer(), limits) as running:
        yield running


@pytest.fixture
def target(server: RunningServer) -> Target:
    return Target(server.host, server.port, documented())


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All that was logged, but for failures that random audio asks the scripted engine for."""
    return [
        record.message
        for record in caplog.records
        if record.levelno >= logging.ERROR
        and not (record.exc_info and str(record.exc_info[1]).startswith("scripted: "))
    ]


def test_every_answer_to_a_conversation_that_nobody_should_hold_is_documented(
    server: RunningServer, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[str] = []

    async def worker(first: int) -> None:
        for index in range(first, CONVERSATIONS, WORKERS):
            told = conversation(Random(f"test:{index}"))
            answer = await converse(target, told)
            wrong = faults_of(answer, target.allowed, ECHOED)
            faults.extend(f"{index} ({told.kind}): {fault}" for fault in wrong)

    async def hold_all() -> None:
        await asyncio.gather(*(worker(first) for first in range(WORKERS)))

    asyncio.run(hold_all())
    assert (faults, errors(caplog)) == ([], [])
    assert get(server, "/health")[0] == 200
    assert transcript(server) == ["100 100"]


@pytest.mark.parametrize("attack", [odd_upgrades, compressed, dropped])
def test_a_rude_opening_gets_a_documented_answer(
    server: RunningServer, target: Target, attack: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(attack)
    asyncio.run(attack(target))
    assert (target.faults, errors(caplog)) == ([], [])
    assert transcript(server) == ["100 100"]
