"""One client's side of the native protocol, without any network. Both shells drive this.

::

    OPENING --ready--> STREAMING --finish()--> FINISHING --done--> OVER
       |               |       ^               |       ^
       |             break   ready           break   ready
       |               v       |               v       |
       |               +---- BROKEN <----------+-------+
       |                       |
       +-- fatal error, broken protocol, connection closed for good --> OVER

``opening`` is the first frame of each connection, ``next_frame`` gives all others: audio and
messages, in the order in which the caller said them with ``audio``, ``flush``, ``hotwords`` and
``finish``. Those raise ``LocalProtocolError`` where the state does not allow them. A break is no
such state: what is said meanwhile is sent once the server has answered. ``receive`` and ``closed``
are told what came. Audio is sent from ``STREAMING`` on, because only then is it known that the
server can use it, and from which sample on it needs it.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import assert_never

from streamscribe_client.breaks import (
    RESUMABLE_CODES,
    RESUMABLE_ERRORS,
    Broken,
    Cause,
    InternalFailures,
    cause_of_close,
    cause_of_error,
)
from streamscribe_client.errors import NO_CLOSE_FRAME, ServerBusy, ServerError
from streamscribe_client.events import StreamEvent
from streamscribe_client.incoming import Incoming
from streamscribe_client.outgoing import Outgoing
from streamscribe_client.stream_options import PERSEVERANCE, Perseverance, StreamOptions
from streamscribe_client.text_so_far import SegmentMessage, TextSoFar
from streamscribe_protocol import messages
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Dialogue", "Phase", "StreamEvent", "StreamOptions"]


class Phase(Enum):
    """How far a dialogue has come."""

    OPENING = "the server has not answered start yet"
    STREAMING = "the stream is open"
    FINISHING = "the audio was finished already"
    BROKEN = "the connection broke, and is to be resumed"
    OVER = "the dialogue is over"


class Dialogue:
    """The state of one dialogue. Not for several threads at once."""

    def __init__(self, start: messages.Start, perseverance: Perseverance = PERSEVERANCE) -> None:
        self.phase = Phase.OPENING
        self.ready: messages.Ready | None = None
        """The newest."""
        self.health: messages.Heartbeat | None = None
        """The newest."""
        self.acknowledged_at = 0
        """Audio before this sample, at the declared rate, is never needed again."""
        self._start = start
        self._perseverance = perseverance
        self._outgoing = Outgoing(start.audio, perseverance)
        self._text = TextSoFar()
        self._incoming = Incoming()
        self._failures = InternalFailures()
        self._flushes = 0
        self._finished = False
        self._keep_alive = False

    @property
    def has_room(self) -> bool:
        """Whether ``audio`` may be called without exceeding the bound or losing audio."""
        return self._outgoing.has_room

    def opening(self) -> str:
        """The frame that opens a connection; send it first."""
        if self.phase is Phase.BROKEN:
            return messages.encode(replace(self._start, resume=self._resume()))
        return messages.encode(self._start)

    def audio(self, audio: memoryview) -> None:
        """The caller said ``audio``, one of ``pieces``."""
        self._need_streaming("send audio")
        self._outgoing.append(audio)

    def flush(self) -> str:
        """The caller wants the open segment closed here. The id that ``Flushed`` will carry."""
        self._need_streaming("flush")
        self._flushes += 1
        flush_id = f"flush-{self._flushes}"
        self._outgoing.say(messages.Flush(flush_id))
        return flush_id

    def hotwords(self, phrases: Iterable[str]) -> None:
        """The caller wants to lean towards ``phrases`` from here on."""
        self._need_streaming("set hotwords")
        self._outgoing.say(messages.Hotwords(tuple(phrases)))

    def finish(self) -> None:
        """The caller has no more audio."""
        self._need_streaming("finish")
        self._finished = True
        self._outgoing.say(messages.Finish())
        if self.phase is Phase.STREAMING:
            self.phase = Phase.FINISHING

    def keep_alive(self) -> None:
        """Nothing was sent for a while: say that we are there, if the server waits for us."""
        self._keep_alive = self.phase is Phase.STREAMING

    def next_frame(self) -> str | bytes | None:
        """What to send next, if there is anything to send now; it counts as sent."""
        if self.phase not in (Phase.STREAMING, Phase.FINISHING):
            return None
        frame = self._outgoing.next_frame()
        if frame is None and self._keep_alive:
            frame = messages.encode(messages.KeepAlive())
        self._keep_alive = False
        return frame

    def receive(self, frame: str | bytes) -> StreamEvent | None:
        """What a frame of the server means for the caller, if anything.

        Raises ``Broken`` for a fatal error after which the stream can be resumed, else what ends
        the dialogue: ``ServerError`` or ``ServerBusy`` for a fatal error, ``RemoteProtocolError``
        for a frame that should not have come.
        """
        try:
            return self._understand(frame)
        except (RemoteProtocolError, ServerError, ServerBusy):
            self.phase = Phase.OVER
            raise

    def closed(self, code: int, reason: str) -> Broken | Cause:
        """What a connection that closed before ``done`` means: an exception to be raised."""
        cause = cause_of_close(code, reason)
        return self._end(cause, code in RESUMABLE_CODES, internal=code == CloseCode.INTERNAL)

    def _need_streaming(self, wish: str) -> None:
        if self.phase in (Phase.OPENING, Phase.OVER):
            raise LocalProtocolError(f"can't {wish}: {self.phase.value}")
        if self._finished:
            raise LocalProtocolError(f"can't {wish}: {Phase.FINISHING.value}")

    def _resume(self) -> messages.Resume:
        assert self.ready is not None, "a dialogue that never was open can't be broken"
        from_at = self._outgoing.promise()
        opened_at = self._text.opened_ms * self._start.audio.rate // 1_000
        return self._text.resume(
            self.ready.resume_token,
            from_at=from_at,
            # Lost silence before the newest segment is no gap: the server had heard it.
            acked_at=max(self.acknowledged_at, min(from_at, opened_at)),
            last_seq=self._incoming.last_seq,
            heard_at=self._outgoing.end_at,
        )

    def _understand(self, frame: str | bytes) -> StreamEvent | None:
        message = self._incoming.decoded(frame, resuming=self.phase is Phase.BROKEN)
        match message:
            case None:
                return None
            case messages.Error(fatal=True, code=code):
                cause = cause_of_error(message)
                raise self._end(cause, code in RESUMABLE_ERRORS, internal=code == "internal")
            case messages.Ready():
                self._expect(message, Phase.OPENING, Phase.BROKEN)
                self._open(message)
                return None
            case messages.Done():
                self._expect(message, Phase.FINISHING)
                self.phase = Phase.OVER
                return None
        self._expect(message, Phase.STREAMING, Phase.FINISHING)
        return self._take(message)

    def _take(
        self,
        message: messages.Heartbeat
        | messages.Ack
        | SegmentMessage
        | messages.Flushed
        | messages.Gap
        | messages.Error,
    ) -> StreamEvent | None:
        match message:
            case messages.Heartbeat():
                self.health = message
                return None
            case messages.Ack(at=at):
                self._acknowledge(at)
                return None
            case messages.Final(ack_at=at):
                self._text.take(message)
                self._acknowledge(at)
            case messages.SpeechStarted() | messages.Partial() | messages.Endpoint():
                self._text.take(message)
            case messages.Flushed(id=flush_id):
                self._outgoing.answered(flush_id)
            case messages.Gap() | messages.Error(code="finished"):
                pass
            case messages.Error():
                self._outgoing.refused()
            case _:
                assert_never(message)
        return message

    def _open(self, ready: messages.Ready) -> None:
        """Begin, or go on where the server says."""
        if self.phase is Phase.BROKEN:
            self._rewind(ready)
        else:
            self._outgoing.allow_segments_of(ready.options.max_segment_ms)
        self.ready = ready
        self.phase = Phase.FINISHING if self._finished else Phase.STREAMING

    def _rewind(self, ready: messages.Ready) -> None:
        if ready.resumed is None:
            raise RemoteProtocolError("unexpected_message", "the resume was answered as if new")
        if not self._outgoing.rewind(ready.send_from_at):
            self._outgoing.detach()
            raise Broken(cause_of_close(NO_CLOSE_FRAME, "the audio that was offered is gone"))

    def _acknowledge(self, at: int) -> None:
        self.acknowledged_at = max(self.acknowledged_at, at)
        self._outgoing.acknowledge(self.acknowledged_at)

    def _end(self, cause: Cause, resumable: bool, *, internal: bool) -> Broken | Cause:
        resumable = resumable and self._perseverance.resume and self.ready is not None
        if resumable and internal:
            resumable = not self._failures.too_many(self.acknowledged_at)
        self.phase = Phase.BROKEN if resumable else Phase.OVER
        self._outgoing.detach()
        return Broken(cause) if resumable else cause

    def _expect(self, message: messages.ServerMessage, *phases: Phase) -> None:
        if self.phase not in phases:
            raise RemoteProtocolError(
                "unexpected_message",
                f"{type(message).__name__} came, but {self.phase.value}",
            )
