import queue
import threading
from collections.abc import Iterator, Sequence

import pytest

from fakes_server import BREAKS_MODEL, HOP_LEN, ScriptedRecognizer, catalogue_of, pcm16
from streamscribe.events import Event, Final
from streamscribe.ingest import AudioFormat
from streamscribe.model import Step
from streamscribe.options import SessionOptions
from streamscribe_server.engine import Engine
from streamscribe_server.limits import Limits
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
from streamscribe_server.metrics import Metrics
from streamscribe_server.scheduler import Scheduler
from streamscribe_server.scheduling import Scheduling

PCM16 = Open("scripted", AudioFormat("pcm_s16le", 16_000, 1), SessionOptions())
SPEECH = pcm16(0.1, HOP_LEN)


@pytest.fixture
def recognizer() -> ScriptedRecognizer:
    return ScriptedRecognizer()


@pytest.fixture
def scheduler(recognizer: ScriptedRecognizer) -> Iterator[Scheduler]:
    running = Scheduler(catalogue_of(recognizer).default)
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
    scheduler = Scheduler(catalogue_of(ScriptedRecognizer(on_run=calls.append)).default)
    assert not scheduler.alive
    scheduler.start()
    assert (scheduler.alive, len(calls)) == (True, 1)
    assert scheduler.stop(timeout_s=10)
    assert not scheduler.alive


def test_a_model_that_can_not_be_warmed_up_keeps_the_engine_from_starting() -> None:
    def fail(steps: Sequence[Step]) -> None:
        raise RuntimeError("scripted: no memory")

    scheduler = Scheduler(catalogue_of(ScriptedRecognizer(on_run=fail)).default)
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
    scheduler = Scheduler(catalogue_of(recognizer).default, clock=lambda: now_s[0])
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


# --- workers


def opened(scheduler: Scheduler, stream_id: str) -> "queue.SimpleQueue[Update]":
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
    scheduler.open(stream_id, PCM16, updates.put)
    return updates


def failure(updates: "queue.SimpleQueue[Update]") -> Failed:
    while not isinstance(update := updates.get(timeout=10), Failed):
        pass
    return update


def test_two_workers_compute_at_the_same_time() -> None:
    both = threading.Barrier(2)
    recognizer = ScriptedRecognizer()
    scheduler = Scheduler(catalogue_of(recognizer).default, Scheduling(workers=2))
    scheduler.start()

    def wait_for_the_other(steps: Sequence[Step]) -> None:
        both.wait(timeout=10)

    recognizer.on_run = wait_for_the_other
    streams = [opened(scheduler, name) for name in ("a", "b")]
    for name in ("a", "b"):
        scheduler.post(name, Audio(SPEECH))
        scheduler.post(name, Finish())
    assert [events_until_end(updates)[-1] for updates in streams] == [
        Final(0, "100", (), 0, HOP_LEN)
    ] * 2
    assert scheduler.stop(timeout_s=10)


def test_a_call_that_hangs_fails_its_stream_and_the_others_go_on() -> None:
    released = threading.Event()
    recognizer = ScriptedRecognizer()
    metrics = Metrics()
    scheduler = Scheduler(
        catalogue_of(recognizer).default, limits=Limits(model_call_s=0.2), metrics=metrics
    )
    scheduler.start()

    def hang_on_loud_audio(steps: Sequence[Step]) -> None:
        if steps[0].samples.max(initial=0) > 0.3:
            released.wait(timeout=20)

    recognizer.on_run = hang_on_loud_audio
    hung = opened(scheduler, "hung")
    scheduler.post("hung", Audio(pcm16(0.4, HOP_LEN)))
    assert failure(hung).code == "internal"
    good = opened(scheduler, "good")
    scheduler.post("good", Audio(SPEECH))
    scheduler.post("good", Finish())
    assert events_until_end(good)[-1] == Final(0, "100", (), 0, HOP_LEN)
    assert metrics.value("streamscribe_watchdog_total", reason="model_hung") == 1
    released.set()
    assert scheduler.stop(timeout_s=10)


def test_an_engine_that_fails_begins_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    advance = Engine.advance

    def break_once(engine: Engine) -> bool:
        if broken.is_set():
            broken.clear()
            raise RuntimeError("scripted: the engine is broken")
        return advance(engine)

    monkeypatch.setattr(Engine, "advance", break_once)
    recognizer = ScriptedRecognizer()
    metrics = Metrics()
    scheduler = Scheduler(catalogue_of(recognizer).default, metrics=metrics)
    scheduler.start()
    lost = opened(scheduler, "lost")
    assert lost.get(timeout=10) == Opened()
    broken.set()
    scheduler.post("lost", Audio(SPEECH))
    assert failure(lost).message == "the server's engine has stopped"
    good = opened(scheduler, "good")
    scheduler.post("good", Audio(SPEECH))
    scheduler.post("good", Finish())
    assert events_until_end(good)[-1] == Final(0, "100", (), 0, HOP_LEN)
    assert metrics.value("streamscribe_watchdog_total", reason="engine_failed") == 1
    assert "the engine failed" in caplog.text
    assert scheduler.stop(timeout_s=10)


def test_a_machine_without_room_refuses_a_stream_that_was_connected_already() -> None:
    now_s = [0.0]
    recognizer = ScriptedRecognizer()
    limits = Limits(overload_lag_s=3.0)
    scheduler = Scheduler(
        catalogue_of(recognizer).default, Scheduling(max_batch=1), limits, clock=lambda: now_s[0]
    )
    scheduler.start()
    recognizer.gate.clear()
    opened(scheduler, "busy")
    scheduler.post("busy", Audio(SPEECH))
    opened(scheduler, "waits")
    scheduler.post("waits", Audio(SPEECH))
    now_s[0] = 10.0
    scheduler.post("waits", Audio(SPEECH))
    while scheduler.refusal() is None:
        scheduler.post("waits", Audio(b""))  # has the engine look at the clock
    assert failure(opened(scheduler, "late")).code == "overloaded"
    recognizer.gate.set()
    assert scheduler.stop(timeout_s=10)
