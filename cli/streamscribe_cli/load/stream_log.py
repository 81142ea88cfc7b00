"""What one stream of a load shows: the delay of each text, and how often texts come.

Every time is seconds on the load's clock. Audio counts from when the packet that holds it was
*due*, not from when it was sent: a server that holds its senders up can't hide delay that way.

::

    delay of a final     arrival - when the end of the speech before its endpoint was due
    delay of a partial   arrival - when the audio up to ``Partial.at_ms`` was due
    stretch              from a partial to the next of its segment: audio between their positions,
                         and time between their arrivals. Speech before the first partial and after
                         the last is one too where it is longer than ``MISSED_HOPS`` hops, for then
                         partials were due and did not come.
"""

from collections import Counter
from dataclasses import dataclass, field

from streamscribe_cli.latency import sent_ms, speech_end_ms
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import Endpoint, Error, Final, Partial, SpeechStarted

MISSED_HOPS = 3
"""The first partial needs its hop, and before it the pre-roll and the least speech of a segment."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One text."""

    due_s: float
    """When the audio that it answers was due."""
    delay_s: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech without a partial."""

    due_s: float
    """When its last audio was due."""
    audio_s: float
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTerms:
    """What the times of a stream are counted with."""

    started_s: float
    """When its first packet began to be spoken."""
    packet_ms: int
    endpoint_silence_ms: int
    hop_ms: int


@dataclass(slots=True)
class _Segment:
    partial_ms: int
    """Position of the newest partial; before the first, where the segment starts."""
    partial_s: float
    """Arrival of that."""
    shown: bool = False
    """A partial came."""
    speech_end_ms: int | None = None


@dataclass(slots=True)
class StreamLog:
    """Takes a stream's events as they arrive."""

    terms: StreamTerms
    finals: list[Timing] = field(default_factory=list)
    """Of segments with text."""
    partials: list[Timing] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    """Of endpoints."""
    errors: Counter[str] = field(default_factory=Counter)
    """Codes of errors that were not fatal."""
    words: int = 0
    empty_finals: int = 0
    _open: dict[int, _Segment] = field(default_factory=dict)

    def receive(self, event: StreamEvent, arrived_s: float) -> None:
        """Take the next event."""
        match event:
            case SpeechStarted(segment=number, at_ms=at_ms):
                self._open[number] = _Segment(at_ms, arrived_s)
            case Partial():
                self._receive_partial(event, arrived_s)
            case Endpoint():
                self._receive_endpoint(event, arrived_s)
            case Final():
                self._receive_final(event, arrived_s)
            case Error(code=code):
                self.errors[code] += 1

    def due_s(self, at_ms: float) -> float:
        """When audio up to ``at_ms`` of the stream was due."""
        return self.terms.started_s + sent_ms(at_ms, self.terms.packet_ms) / 1_000

    def _receive_partial(self, partial: Partial, arrived_s: float) -> None:
        due_s = self.due_s(partial.at_ms)
        self.partials.append(Timing(due_s, arrived_s - due_s))
        segment = self._open.get(partial.segment)
        if segment is None:
            return
        if segment.shown or self._missed(segment, partial.at_ms):
            self._stretch(segment, partial.at_ms, arrived_s)
        segment.partial_ms, segment.partial_s = partial.at_ms, arrived_s
        segment.shown = True

    def _receive_endpoint(self, endpoint: Endpoint, arrived_s: float) -> None:
        self.rules[endpoint.rule] += 1
        segment = self._open.get(endpoint.segment)
        if segment is None:
            return
        segment.speech_end_ms = speech_end_ms(endpoint, self.terms.endpoint_silence_ms)
        if self._missed(segment, segment.speech_end_ms):
            self._stretch(segment, segment.speech_end_ms, arrived_s)

    def _receive_final(self, final: Final, arrived_s: float) -> None:
        segment = self._open.pop(final.segment, None)
        if not final.text:
            self.empty_finals += 1
            return
        self.words += len(final.text.split())
        if segment is not None and segment.speech_end_ms is not None:
            due_s = self.due_s(segment.speech_end_ms)
            self.finals.append(Timing(due_s, arrived_s - due_s))

    def _missed(self, segment: _Segment, at_ms: int) -> bool:
        return at_ms - segment.partial_ms > MISSED_HOPS * self.terms.hop_ms

    def _stretch(self, segment: _Segment, end_ms: int, arrived_s: float) -> None:
        audio_s = (end_ms - segment.partial_ms) / 1_000
        self.stretches.append(Stretch(self.due_s(end_ms), audio_s, arrived_s - segment.partial_s))
