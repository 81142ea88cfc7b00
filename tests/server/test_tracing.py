import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fakes_server import FLOAT32, HOP_LEN, PCM16, SPEECH, ScriptedRecognizer, catalogue_of, pcm16
from streamscribe.events import Final, SpeechStarted
from streamscribe_server import tracing
from streamscribe_server.engine import Engine
from streamscribe_server.mailbox import Audio, Close, Command, Finish, Open, Progress
from streamscribe_server.tracing import MAX_SEGMENTS, Traces


class Traced:
    """An engine whose spans are kept."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(provider)
        catalogue = catalogue_of(ScriptedRecognizer())
        self._engine = Engine(catalogue, 1, lambda: 0.0, traces=self.traces)

    def run(self, terms: Open, *audio: bytes, reason: str = "done") -> None:
        self._engine.open("s7", terms, lambda update: None)
        commands: list[Command] = [*map(Audio, audio), Finish()]
        for command in commands:
            self._engine.apply("s7", command, 0.0)
            while self._engine.turn():
                pass
        self._engine.apply("s7", Close(reason), 0.0)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def session(self) -> ReadableSpan:
        (span,) = self.spans("session")
        return span


def said_of(span: ReadableSpan) -> dict[str, object]:
    return {name.removeprefix("streamscribe."): v for name, v in (span.attributes or {}).items()}


def test_a_session_is_one_span_that_says_whose_it_was_and_what_it_took() -> None:
    traced = Traced()
    traced.run(replace(PCM16, key="ada"), *[SPEECH] * 5)
    said = said_of(traced.session())
    assert {
        "session": "s7",
        "key": "ada",
        "model": "scripted",
        "encoding": "pcm_s16le",
        "rate_hz": 16_000,
        "audio_s": 2.5,
        "steps": 6,
        "segments": 2,
        "partials": 4,
        "reason": "done",
    }.items() <= said.items()


def test_each_segment_is_a_span_inside_the_sessions() -> None:
    traced = Traced()
    traced.run(PCM16, *[SPEECH] * 5)
    first, second = traced.spans("segment")
    session = traced.session().get_span_context()
    assert session is not None
    for span in (first, second):
        assert span.parent is not None
        assert span.parent.span_id == session.span_id
    assert said_of(first) == {
        "segment": 0,
        "rule": "silence",
        "start_ms": 0,
        "end_ms": 2_000,
        "words": 4,
        "partials": 3,
    }
    assert [event.name for event in first.events] == ["partial"] * 3


def test_no_span_holds_what_was_spoken() -> None:
    traced = Traced()
    traced.run(PCM16, pcm16(0.123, HOP_LEN), pcm16(0.123, HOP_LEN))
    for span in (*traced.spans("session"), *traced.spans("segment")):
        assert "123" not in str(said_of(span).values())
        assert all("123" not in str(event.attributes) for event in span.events)


def test_a_session_that_fails_is_marked_with_the_code() -> None:
    traced = Traced()
    traced.run(FLOAT32, b"\x00\x00\xc0\x7f" * HOP_LEN, reason="invalid_sample")
    session = traced.session()
    assert (session.status.is_ok, session.status.description) == (False, "invalid_sample")


def test_a_session_that_can_not_begin_has_a_span_too() -> None:
    traced = Traced()
    traced.run(replace(PCM16, model="no such model"))
    assert said_of(traced.session())["reason"] == "unknown_model"


def test_a_client_that_goes_away_in_mid_segment_ends_both_spans() -> None:
    traced = Traced()
    engine = traced._engine
    engine.open("s7", PCM16, lambda update: None)
    engine.apply("s7", Audio(SPEECH), 0.0)
    while engine.turn():
        pass
    engine.apply("s7", Close("client_gone"), 0.0)
    assert len(traced.spans("segment")) == 1
    assert said_of(traced.session())["reason"] == "client_gone"


def test_a_session_without_end_does_not_have_spans_without_end() -> None:
    traced = Traced()
    deliver = traced.traces.begin("s7", PCM16, lambda update: None)
    for number in range(MAX_SEGMENTS + 50):
        events = (SpeechStarted(number, 0), Final(number, "said", (), 0, 16_000))
        deliver(Progress(events, 0, 0))
    traced.traces.end("s7", reason="done")
    assert len(traced.spans("segment")) == MAX_SEGMENTS
    assert said_of(traced.session())["segments"] == MAX_SEGMENTS + 50


def test_a_collector_that_never_answers_does_not_keep_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = Traced()
    held = threading.Event()
    monkeypatch.setattr(tracing, "FLUSH_S", 0.01)
    monkeypatch.setattr(traced.traces._provider, "shutdown", lambda: held.wait(30))
    traced.traces.close()
    assert not held.is_set()
    held.set()


def test_opentelemetry_is_not_imported_unless_traces_are_asked_for() -> None:
    program = (
        "import sys\n"
        "import streamscribe_server.app, streamscribe_server.uvicorn_server\n"
        "from streamscribe_server.command import serve\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"
