"""Traces for OpenTelemetry: a span for each session, and in it one for each segment.

Imported only where traces are asked for; the packages are those of the extra ``otel``. Where the
spans go is said by OpenTelemetry's own environment variables. No span holds text that was spoken.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
)
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from streamscribe.events import Endpoint, Event, Final, Partial, SpeechStarted
from streamscribe.timeline import at_to_ms
from streamscribe.version import __version__
from streamscribe_server.logs import Field
from streamscribe_server.mailbox import Failed, Open, Progress, Update

MAX_SEGMENTS = 500
"""Segments of one session that get a span: about an hour of speech."""
FLUSH_S = 3.0
"""For the last spans when the server goes down, so that a dead collector doesn't keep it."""


class Traces:
    """The sessions that are open. For the event loop alone; updates come on engine threads."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("streamscribe", __version__)
        self._sessions: dict[str, _Session] = {}

    def begin(
        self, stream_id: str, command: Open, deliver: Callable[[Update], None]
    ) -> Callable[[Update], None]:
        """Begin the span of a session. Its updates are to go where the answer takes them."""
        session = _Session(self._tracer, self._tracer.start_span("session", kind=SpanKind.SERVER))
        _describe(
            session.span,
            session=stream_id,
            key=command.key,
            model=command.model,
            encoding=str(command.format.encoding),
            rate_hz=command.format.rate_hz,
            channels=command.format.channels,
        )
        self._sessions[stream_id] = session

        def traced(update: Update) -> None:
            session.take(update)
            deliver(update)

        return traced

    def end(self, stream_id: str, reason: str) -> None:
        """End the span of a session, and of its open segment."""
        session = self._sessions.pop(stream_id, None)
        if session is not None:
            session.end(reason)

    def close(self) -> None:
        """Send what has not been sent yet; what takes longer than ``FLUSH_S`` is lost."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(FLUSH_S)


def traces_from_environment() -> Traces:
    """Traces that go where the variables ``OTEL_…`` say: by default to a collector over HTTP."""
    resource = Resource.create(
        {
            SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "streamscribe"),
            SERVICE_VERSION: __version__,
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    return Traces(provider)


def _exporter() -> SpanExporter:
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


@dataclass(slots=True)
class _Segment:
    span: Span
    partials: int = 0


@dataclass(slots=True)
class _Session:
    tracer: Tracer
    span: Span
    _open: dict[int, _Segment] = field(default_factory=dict)
    _segments: int = 0
    _partials: int = 0
    _decided_at: int = 0
    _over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, update: Update) -> None:
        with self._lock:
            if self._over:
                return
            match update:
                case Progress(events, decided_at):
                    self._decided_at = decided_at
                    for event in events:
                        self._take_event(event)
                case Failed(code):
                    self.span.set_status(Status(StatusCode.ERROR, code))
                case _:
                    pass

    def end(self, reason: str) -> None:
        with self._lock:
            self._over = True
            for segment in self._open.values():
                segment.span.end()
            _describe(
                self.span,
                audio_ms=at_to_ms(self._decided_at),
                segments=self._segments,
                partials=self._partials,
                reason=reason,
            )
            self.span.end()

    def _take_event(self, event: Event) -> None:
        match event:
            case SpeechStarted(segment=number):
                self._begin(number)
            case Partial(segment=number):
                self._partials += 1
                if number in self._open:
                    self._open[number].partials += 1
                    self._open[number].span.add_event("partial")
            case Endpoint(segment=number, rule=rule):
                if number in self._open:
                    _describe(self._open[number].span, rule=str(rule))
            case Final(segment=number):
                self._finish(number, event)
            case _:
                pass

    def _begin(self, number: int) -> None:
        self._segments += 1
        if self._segments <= MAX_SEGMENTS:
            inside = set_span_in_context(self.span)
            self._open[number] = _Segment(self.tracer.start_span("segment", context=inside))

    def _finish(self, number: int, final: Final) -> None:
        segment = self._open.pop(number, None)
        if segment is None:
            return
        _describe(
            segment.span,
            segment=number,
            start_ms=at_to_ms(final.start_at),
            end_ms=at_to_ms(final.end_at),
            words=len(final.text.split()),
            partials=segment.partials,
        )
        segment.span.end()


def _describe(span: Span, **fields: Field) -> None:
    for name, value in fields.items():
        if value is not None:
            span.set_attribute(f"streamscribe.{name}", value)
