import queue
import threading
from collections.abc import Iterator, Sequence

import pytest

from fakes_server import BREAKS_MODEL, HOP_LEN, ScriptedRecognizer, catalogue_of, pcm16
from streamscribe.events import Event, Final
from streamscribe.ingest import AudioFormat
from streamscribe.model import Step
from streamscribe.options import SessionOptions
from streamscribe_server.mailbox import (
    Audio,
    Ended,
    Failed,
    Finish,
    Open,
    Opened,
    Progress,
    Update,
)
from streamscribe_server.scheduler import Scheduler

PCM16 = Open("scripted", AudioFormat("pcm_s16le", 16_000, 1), SessionOptions())
SPEECH = pcm16(0.1, HOP_LEN)


@pytest.fixture
def recognizer() -> ScriptedRecognizer:
    return ScriptedRecognizer()


@pytest.fixture
def scheduler(recognizer: ScriptedRecognizer) -> Iterator[Scheduler]:
    running = Scheduler(catalogue_of(recognizer))
    running.start()
    yield running
    recognizer.gate.set()
    assert running.stop(timeout_s=10)


def events_until_end(updates: "queue.SimpleQueue[Update]") -> list[Event]:
    events: list[Event] = []
    while not isinstance(update := updates.get(timeout=10), Ended):
        if isinstance(update, Progress):
            events += update.events
    return events


def test_models_are_warm_before_the_engine_is_alive() -> None:
    calls: list[Sequence[Step]] = []
    scheduler = Scheduler(catalogue_of(ScriptedRecognizer(on_run=calls.append)))
    assert not scheduler.alive
    scheduler.start()
    assert (scheduler.alive, len(calls)) == (True, 1)
    assert scheduler.stop(timeout_s=10)
    assert not scheduler.alive


def test_a_model_that_can_not_be_warmed_up_keeps_the_engine_from_starting() -> None:
    def fail(steps: Sequence[Step]) -> None:
        raise RuntimeError("scripted: no memory")

    scheduler = Scheduler(catalogue_of(ScriptedRecognizer(on_run=fail)))
    with pytest.raises(RuntimeError, match="no memory"):
        scheduler.start()
    assert not scheduler.alive


def test_a_stream_runs_from_open_to_end(scheduler: Scheduler) -> None:
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
    scheduler.open("a", PCM16, updates.put)
    scheduler.post("a", Audio(SPEECH))
    scheduler.post("a", Finish())
    assert events_until_end(updates)[-1] == Final(0, "100", (), 0, HOP_LEN)


def test_commands_are_taken_between_two_model_calls(
    scheduler: Scheduler, recognizer: ScriptedRecognizer
) -> None:
    calling = threading.Event()
    opened = threading.Event()
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()

    def second_call_waits_for_the_other_stream(steps: Sequence[Step]) -> None:
        calling.set()
        if steps[0].due_at == 2 * HOP_LEN:
            assert opened.is_set()

    recognizer.on_run = second_call_waits_for_the_other_stream
    recognizer.gate.clear()
    scheduler.open("busy", PCM16, updates.put)
    scheduler.post("busy", Audio(SPEECH * 2))
    scheduler.open("new", PCM16, lambda update: opened.set())
    recognizer.gate.set()
    scheduler.post("busy", Finish())
    assert isinstance(events_until_end(updates)[-1], Final)
    assert opened.is_set()
    assert calling.is_set()


def test_a_step_that_breaks_the_model_leaves_the_thread_alive(scheduler: Scheduler) -> None:
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
    scheduler.open("bad", PCM16, updates.put)
    scheduler.post("bad", Audio(pcm16(BREAKS_MODEL, HOP_LEN)))
    assert updates.get(timeout=10) == Opened()
    while not isinstance(update := updates.get(timeout=10), Failed):
        pass
    assert update.code == "internal"
    assert scheduler.alive


def test_lateness_is_known_while_a_step_waits_and_gone_when_nothing_does() -> None:
    now_s = [0.0]
    lags_s: list[float] = []
    recognizer = ScriptedRecognizer()
    scheduler = Scheduler(catalogue_of(recognizer), clock=lambda: now_s[0])
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()

    def four_seconds(steps: Sequence[Step]) -> None:
        now_s[0] += 4.0
        lags_s.append(scheduler.lag_s)

    scheduler.start()
    recognizer.on_run = four_seconds
    scheduler.open("a", PCM16, updates.put)
    scheduler.open("b", PCM16, lambda update: None)
    scheduler.post("a", Audio(SPEECH * 2))
    scheduler.post("b", Audio(SPEECH))
    scheduler.post("a", Finish())
    events_until_end(updates)
    assert max(lags_s) >= 4.0
    assert scheduler.stop(timeout_s=10)
    assert scheduler.lag_s == 0.0
