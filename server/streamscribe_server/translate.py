"""Engine events to wire messages, and what the client may forget.

Messages come out unnumbered; the outbox numbers them when they leave.
"""

from typing import Final, assert_never

from streamscribe import events
from streamscribe.options import SessionOptions, Task
from streamscribe.timeline import SAMPLE_RATE, at_from_rate, at_to_ms, samples_at_rate
from streamscribe_protocol import messages
from streamscribe_server.mailbox import Progress
from streamscribe_server.outbox import UNNUMBERED

_ACK_EVERY_LEN: Final = SAMPLE_RATE
"""Silence is acknowledged once a second: a client then keeps little, and messages stay few."""


def effective_options(options: SessionOptions) -> messages.EffectiveOptions:
    """What ``ready`` says about a session."""
    return messages.EffectiveOptions(
        commit=options.commit.value,
        partials=options.partials,
        hop_ms=options.hop_ms,
        latency=options.latency.value if options.latency else None,
        endpoint_silence_ms=options.endpoint_silence_ms,
        soft_pause_ms=options.soft_pause_ms,
        min_speech_ms=options.min_speech_ms,
        pre_roll_ms=options.pre_roll_ms,
        window_ms=options.window_ms,
        max_segment_ms=options.max_segment_ms,
        language=options.language,
        task=(options.task or Task.TRANSCRIBE).value,
        commit_by=options.commit_by.value if options.commit_by else None,
        search=options.search.value if options.search else None,
        beam_size=options.beam_size,
        temperature=options.temperature,
    )


class Translator:
    """Translates the events of one stream, in order."""

    def __init__(self, rate_hz: int, resume: messages.Resume | None = None) -> None:
        """``rate_hz``: the client's declared rate, on whose clock audio is acknowledged.

        resume: where the stream begins; None: at 0.
        """
        self._rate_hz = rate_hz
        self._resume = resume
        self._acked_at = at_from_rate(resume.from_at, rate_hz) if resume else 0

    def translate(self, progress: Progress) -> list[messages.ServerMessage]:
        """One message per event, then an ``Ack`` if a second or more of silence was settled.

        Acknowledged positions only grow, and never pass ``progress.settled_at``.
        """
        told = [self._message(event, progress.settled_at) for event in progress.events]
        if progress.settled_at - self._acked_at >= _ACK_EVERY_LEN:
            told.append(messages.Ack(UNNUMBERED, self._ack(progress.settled_at)))
        return told

    def _ack(self, at: int) -> int:
        self._acked_at = max(self._acked_at, at)
        return samples_at_rate(self._acked_at, self._rate_hz)

    def _gap(self, from_at: int, to_at: int) -> messages.Gap:
        """In the client's own numbers, which the engine's clock has rounded."""
        if self._resume is not None:
            return messages.Gap(UNNUMBERED, self._resume.acked_at, self._resume.from_at)
        rate_hz = self._rate_hz
        return messages.Gap(
            UNNUMBERED, samples_at_rate(from_at, rate_hz), samples_at_rate(to_at, rate_hz)
        )

    def _message(self, event: events.Event, settled_at: int) -> messages.ServerMessage:
        match event:
            case events.SpeechStarted(segment, at):
                return messages.SpeechStarted(UNNUMBERED, segment, at_to_ms(at))
            case events.Partial(segment, text, committed, words, at):
                return messages.Partial(
                    UNNUMBERED, segment, text, committed, _words(words), at_to_ms(at)
                )
            case events.Endpoint(segment, rule, at):
                return messages.Endpoint(UNNUMBERED, segment, rule.value, at_to_ms(at))
            case events.Final(segment, text, words, start_at, end_at, language):
                return messages.Final(
                    UNNUMBERED,
                    segment,
                    text,
                    _words(words),
                    at_to_ms(start_at),
                    at_to_ms(end_at),
                    self._ack(min(end_at, settled_at)),
                    language,
                )
            case events.Gap(from_at, to_at):
                return self._gap(from_at, to_at)
            case events.Flushed(id):
                return messages.Flushed(UNNUMBERED, id)
            case _:
                assert_never(event)


def _words(words: tuple[events.Word, ...]) -> tuple[messages.Word, ...]:
    return tuple(
        messages.Word(
            text=word.text,
            start_ms=at_to_ms(word.start_at),
            end_ms=at_to_ms(word.end_at),
            confidence=round(word.confidence, 3),
            timing=word.timing.value,
        )
        for word in words
    )
