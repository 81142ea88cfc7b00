"""One client's side of the native protocol, without any network. Both shells drive this.

::

    OPENING --ready--> STREAMING --finish()--> FINISHING --done--> OVER
       |                   |                       |
       +---- fatal error, broken protocol, closed connection ----> OVER

``opening``, ``audio``, ``flush`` and ``finish`` say what to send; they raise
``LocalProtocolError`` where the state does not allow it. ``receive`` and ``closed`` are told what
came. Audio is sent from ``STREAMING`` on, because only then is it known that the server can use
it. The server's messages are numbered from 1 without holes, those of unknown types included.
"""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeAlias, TypedDict, assert_never

from streamscribe_client.errors import ConnectionLost, ServerBusy, ServerError
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import (
    Ack,
    AudioFormat,
    CommitMode,
    CommitRule,
    Done,
    Endpoint,
    Endpointing,
    Error,
    Final,
    Finish,
    Flush,
    Flushed,
    Gap,
    Heartbeat,
    Hotwords,
    LatencyPreset,
    Partial,
    Ready,
    SearchMethod,
    ServerMessage,
    SpeechStarted,
    Start,
    TaskName,
    decode_client_message,
    decode_server_message,
    encode,
)

FRAME_BYTES = 64 << 10
"""Longest audio frame sent: short enough that a message never waits long behind audio."""

StreamEvent: TypeAlias = SpeechStarted | Partial | Endpoint | Final | Flushed | Gap | Error
"""What a caller iterates over."""
Audio: TypeAlias = bytes | bytearray | memoryview
"""Audio in the declared format; may end anywhere, even inside a sample."""


class StreamOptions(TypedDict, total=False):
    """What may be said about a stream when it is opened; the server decides what is left out."""

    rate: int
    """Hertz of the audio sent; 16000 unless given."""
    encoding: str
    """``pcm_s16le`` (unless given), ``pcm_f32le``, ``mulaw`` or ``alaw``."""
    channels: int
    """1 unless given."""
    model: str | None
    language: str | None
    """Code of what is spoken, such as ``en``; a model that can detects it."""
    task: TaskName | None
    """``transcribe``, or ``translate``: into English."""
    prompt: str | None
    """Text that came before, or words and names to expect, of a model that takes such text."""
    partials: bool
    """False: finals only."""
    commit: CommitMode
    commit_by: CommitRule | None
    """``agreement`` or ``alignment``: what settles the words of a seq2seq model."""
    endpointing: Endpointing | None
    hop_ms: int | None
    """New audio between two partials, of a seq2seq model."""
    latency: LatencyPreset | None
    """``minimal``, ``low``, ``medium`` or ``high``: how long to wait before words are committed."""
    search: SearchMethod | None
    """``greedy``, ``beam`` or ``sample``; of a seq2seq model, for finals."""
    beam_size: int | None
    """Texts that compete in a seq2seq model's beam."""
    temperature: float | None
    """How freely a seq2seq model's search ``sample`` draws; 0: not at all."""
    hotwords: tuple[str, ...]
    """Words and phrases that a CTC model should lean towards."""


class Phase(Enum):
    """How far a dialogue has come."""

    OPENING = "the server has not answered start yet"
    STREAMING = "the stream is open"
    FINISHING = "the audio was finished already"
    OVER = "the dialogue is over"


def start_message(options: StreamOptions) -> Start:
    """The first message. Raises ``LocalProtocolError`` for an unknown option or a wrong type."""
    unknown = sorted(options.keys() - StreamOptions.__annotations__.keys())
    if unknown:
        allowed = ", ".join(sorted(StreamOptions.__annotations__))
        raise LocalProtocolError(f"unknown option {', '.join(unknown)}; allowed: {allowed}")
    rest: dict[str, Any] = dict(options)
    audio = AudioFormat(
        encoding=rest.pop("encoding", "pcm_s16le"),
        rate=rest.pop("rate", 16_000),
        channels=rest.pop("channels", 1),
    )
    start = Start(audio=audio, **rest)
    try:
        decode_client_message(encode(start))
    except (RemoteProtocolError, TypeError) as error:
        raise LocalProtocolError(f"the options can't be sent: {error}") from error
    return start


class Dialogue:
    """The state of one dialogue. Not for several threads at once."""

    def __init__(self, start: Start) -> None:
        self.phase = Phase.OPENING
        self.ready: Ready | None = None
        self.acknowledged_at = 0
        """Audio before this sample, at the declared rate, is never needed again."""
        self._start = start
        self._flushes = 0
        self._next_seq = 1

    def opening(self) -> str:
        """The frame that opens the dialogue; send it first."""
        return encode(self._start)

    def audio(self, audio: Audio) -> list[memoryview]:
        """The frames that carry ``audio``, none of them longer than ``FRAME_BYTES``."""
        self._need_streaming("send audio")
        view = memoryview(audio)
        if view.nbytes == 0:
            return []
        octets = view.cast("B")
        return [octets[at : at + FRAME_BYTES] for at in range(0, octets.nbytes, FRAME_BYTES)]

    def flush(self) -> tuple[str, str]:
        """The id that ``Flushed`` will carry, and the frame to send."""
        self._need_streaming("flush")
        self._flushes += 1
        flush_id = f"flush-{self._flushes}"
        return flush_id, encode(Flush(flush_id))

    def hotwords(self, phrases: Iterable[str]) -> str:
        """The frame that asks to lean towards ``phrases`` from here on."""
        self._need_streaming("set hotwords")
        return encode(Hotwords(tuple(phrases)))

    def finish(self) -> str:
        """The frame that says that there is no more audio."""
        self._need_streaming("finish")
        self.phase = Phase.FINISHING
        return encode(Finish())

    def receive(self, frame: str | bytes) -> StreamEvent | None:
        """What a frame of the server means for the caller, if anything.

        Raises what ends the dialogue: ``ServerError`` or ``ServerBusy`` for a fatal error,
        ``RemoteProtocolError`` for a frame that should not have come.
        """
        try:
            return self._understand(self._decoded(frame))
        except (RemoteProtocolError, ServerError, ServerBusy):
            self.phase = Phase.OVER
            raise

    def closed(self, code: int, reason: str) -> ServerBusy | ConnectionLost:
        """The error that a connection closed before ``done`` means for the caller."""
        self.phase = Phase.OVER
        if code == CloseCode.OVERLOADED:
            advice = re.search(r"retry after (\d{1,6}) s", reason)
            return ServerBusy(retry_after_s=int(advice[1]) if advice else None)
        return ConnectionLost(code=code, reason=reason)

    def _need_streaming(self, wish: str) -> None:
        if self.phase is not Phase.STREAMING:
            raise LocalProtocolError(f"can't {wish}: {self.phase.value}")

    def _decoded(self, frame: str | bytes) -> ServerMessage | None:
        if isinstance(frame, bytes):
            raise RemoteProtocolError(
                "unexpected_message", f"the server sent a binary frame of {len(frame)} bytes"
            )
        message = decode_server_message(frame)
        if isinstance(message, Heartbeat):
            return message
        if message is not None and message.seq != self._next_seq:
            raise RemoteProtocolError(
                "sequence_gap", f"message {message.seq} came; expected {self._next_seq}"
            )
        self._next_seq += 1
        return message

    def _understand(self, message: ServerMessage | None) -> StreamEvent | None:
        match message:
            case None | Heartbeat():
                return None
            case Error(fatal=True):
                if message.code == "overloaded":
                    raise ServerBusy(retry_after_s=None)
                raise ServerError(code=message.code, message=message.message)
            case Ready():
                self._expect(message, Phase.OPENING)
                self.ready = message
                self.phase = Phase.STREAMING
            case Done():
                self._expect(message, Phase.FINISHING)
                self.phase = Phase.OVER
            case Ack(at=at):
                self._acknowledge(message, at)
            case Final(ack_at=at):
                self._acknowledge(message, at)
                return message
            case SpeechStarted() | Partial() | Endpoint() | Flushed() | Gap() | Error():
                self._expect(message, Phase.STREAMING, Phase.FINISHING)
                return message
            case _:
                assert_never(message)
        return None

    def _acknowledge(self, message: Final | Ack, at: int) -> None:
        self._expect(message, Phase.STREAMING, Phase.FINISHING)
        self.acknowledged_at = max(self.acknowledged_at, at)

    def _expect(self, message: ServerMessage, *phases: Phase) -> None:
        if self.phase not in phases:
            raise RemoteProtocolError(
                "unexpected_message",
                f"{type(message).__name__} came, but {self.phase.value}",
            )
