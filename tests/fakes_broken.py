"""A session that breaks off, and what a client asks of the one that goes on in its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamscribe.continuation import Continuation
from streamscribe.events import Event, Final, Partial, SpeechStarted
from streamscribe.model import Samples
from streamscribe.options import SessionOptions
from streamscribe.recognizer import Recognizer, drive
from streamscribe.timeline import SAMPLE_RATE


@dataclass(frozen=True)
class Told:
    """What a client was told by one session up to some moment."""

    events: tuple[Event, ...]
    acked_at: int
    """Audio before this position need not be sent again."""


def told_until(
    recognizer: Recognizer,
    options: SessionOptions,
    audio: Samples,
    continuation: Continuation | None = None,
    block_len: int = SAMPLE_RATE // 5,
) -> Iterator[Told]:
    """After each event, and each acknowledgement of silence, of a session that hears ``audio``.

    audio: from position 0 on. A server acknowledges silence once a second.
    """
    session = recognizer.open(options, continuation)
    at = acked_at = continuation.start_at if continuation else 0
    events: tuple[Event, ...] = ()
    while not session.finished:
        if at < len(audio):
            session.receive_audio(audio[at : at + block_len])
            at += block_len
        else:
            session.receive_eof()
        for event in drive(session, recognizer):
            events += (event,)
            if isinstance(event, Final):
                acked_at = max(acked_at, min(event.end_at, session.settled_at))
            yield Told(events, acked_at)
        if session.settled_at - acked_at >= SAMPLE_RATE:
            acked_at = session.settled_at
            yield Told(events, acked_at)


def continuation_of(
    told: Told, before: Continuation | None = None, *, lost_len: int = 0
) -> Continuation:
    """What a client asks for that was told so much, and lost so much of its audio.

    before: what it asked for when it opened the session that has broken off now.
    """
    segment, is_open, committed = 0, False, ""
    if before is not None:
        segment, is_open, committed = before.segment, before.segment_open, before.committed_text
    for event in told.events:
        match event:
            case SpeechStarted():
                segment, is_open, committed = event.segment, True, ""
            case Partial():
                committed = event.text[: event.committed]
            case Final():
                segment, is_open, committed = event.segment + 1, False, ""
    return Continuation(
        start_at=told.acked_at + lost_len,
        segment=segment,
        segment_open=is_open,
        committed_text=committed,
        lost_from_at=told.acked_at if lost_len else None,
    )


def go_on(
    recognizer: Recognizer,
    options: SessionOptions,
    audio: Samples,
    continuation: Continuation,
    block_len: int = SAMPLE_RATE // 5,
) -> Sequence[Event]:
    """Everything that a session says which goes on to the end of ``audio``."""
    moments = list(told_until(recognizer, options, audio, continuation, block_len))
    return moments[-1].events if moments else ()
