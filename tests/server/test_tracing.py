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
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import (
    Audio,
    Close,
    Ended,
    Failed,
    Finish,
    Open,
    Progress,
    Update,
)
from streamscribe_server.metrics import Metrics
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.tracing import MAX_SEGMENTS, Traces


class Traced:
    """Schedulers whose spans are kept."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(self.provider)
        catalogue = catalogue_of(ScriptedRecognizer())
        self.schedulers = Schedulers(catalogue, Limits(), Metrics(), traces=self.traces)

    def run(self, terms: Open, *audio: bytes, reason: str = "done") -> None:
        """A whole session, on the threads of a real scheduler."""
        over = threading.Event()

        def deliver(update: Update) -> None:
            if isinstance(update, Ended | Failed):
                over.set()

        self.schedulers.start()
        self.schedulers.open("s7", terms, deliver)
        for data in audio:
            self.schedulers.post("s7", Audio(data))
        self.schedulers.post("s7", Finish())
        assert over.wait(10)
        self.schedulers.post("s7", Close(reason))
        assert self.schedulers.stop(10)

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
        "audio_ms": 2_500,
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


def test_a_client_that_goes_away_in_mid_segment_ends_both_spans() -> None:
    traced = Traced()
    deliver = traced.traces.begin("s7", PCM16, lambda update: None)
    deliver(Progress((SpeechStarted(0, 0),), 8_000, 0))
    traced.traces.end("s7", "client_gone")
    assert len(traced.spans("segment")) == 1
    assert said_of(traced.session())["reason"] == "client_gone"


def test_what_the_engine_still_says_after_the_end_is_passed_on_and_not_traced() -> None:
    traced = Traced()
    told: list[Update] = []
    deliver = traced.traces.begin("s7", PCM16, told.append)
    traced.traces.end("s7", "client_gone")
    deliver(Progress((SpeechStarted(0, 0),), 8_000, 0))
    assert len(told) == 1
    assert traced.spans("segment") == []


def test_a_session_without_end_does_not_have_spans_without_end() -> None:
    traced = Traced()
    deliver = traced.traces.begin("s7", PCM16, lambda update: None)
    for number in range(MAX_SEGMENTS + 50):
        events = (SpeechStarted(number, 0), Final(number, "said", (), 0, 16_000))
        deliver(Progress(events, 0, 0))
    traced.traces.end("s7", "done")
    assert len(traced.spans("segment")) == MAX_SEGMENTS
    assert said_of(traced.session())["segments"] == MAX_SEGMENTS + 50


def test_a_collector_that_never_answers_does_not_keep_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = Traced()
    held = threading.Event()
    monkeypatch.setattr(tracing, "FLUSH_S", 0.01)
    monkeypatch.setattr(traced.provider, "shutdown", lambda: held.wait(30))
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
