"""Scripted captions: who transcribes says what the test wants, whatever it hears."""

from collections.abc import Callable, Iterable, Iterator

from streamscribe.ingest import AudioFormat
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import Endpoint, Final, Partial, Word


def word(text: str, start_ms: int = 0, end_ms: int = 500) -> Word:
    return Word(text, start_ms, end_ms, confidence=0.9, timing="estimated")


def partial(text: str, committed: int = 0, *, segment: int = 0, at_ms: int = 500) -> Partial:
    return Partial(0, segment, text, committed, (), at_ms)


def final(text: str, *, segment: int = 0, start_ms: int = 0, end_ms: int = 1_000) -> Final:
    words = tuple(word(one, start_ms, end_ms) for one in text.split())
    return Final(0, segment, text, words, start_ms, end_ms, ack_at=0)


def endpoint(at_ms: int, rule: str = "silence", *, segment: int = 0) -> Endpoint:
    return Endpoint(0, segment, rule, at_ms)


class ScriptedTranscriber:
    """Hears a whole stream, then says ``events``."""

    model = "scripted"

    def __init__(self, *events: StreamEvent) -> None:
        self.heard: list[tuple[AudioFormat, bytes]] = []
        self._events = events

    def events(self, format: AudioFormat, blocks: Iterable[bytes]) -> Iterator[StreamEvent]:
        self.heard.append((format, b"".join(blocks)))
        yield from self._events


def always(transcriber: ScriptedTranscriber) -> Callable[..., ScriptedTranscriber]:
    """In place of ``make_transcriber``."""
    return lambda ctx, chosen, *, live, device="auto": transcriber
