"""What a server sends. ``streamscribe_protocol.messages`` has all of it by name."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from streamscribe_protocol.client_messages import (
    VERSION,
    CommitMode,
    CommitRule,
    LatencyPreset,
    SearchMethod,
    TaskName,
)

Resumed: TypeAlias = Literal["continued", "fresh"]
"""The server still had the session that broke, or a new one begins where the client says."""
TimingSource: TypeAlias = Literal["measured", "estimated"]
"""Whether a word's times come from the model's alignment, or from when it was first shown."""


@dataclass(frozen=True, slots=True)
class EffectiveOptions:
    """The options that the session really has."""

    commit: CommitMode
    partials: bool
    hop_ms: int
    latency: LatencyPreset | None
    endpoint_silence_ms: int
    soft_pause_ms: int
    min_speech_ms: int
    pre_roll_ms: int
    window_ms: int
    max_segment_ms: int
    language: str | None = None
    """None: what the model detects, or its own."""
    task: TaskName = "transcribe"
    commit_by: CommitRule | None = None
    """None: the model has no choice."""
    search: SearchMethod | None = None
    beam_size: int = 5
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a partial or a final."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    """In [0, 1]."""
    timing: TimingSource


@dataclass(frozen=True, slots=True)
class Ready:
    """The server's first message: the session is open. Not numbered when it answers a resume."""

    seq: int
    session: str
    resume_token: str
    """What ``Resume`` needs if the connection breaks."""
    model: str
    options: EffectiveOptions
    version: int = VERSION
    resumed: Resumed | None = None
    """None: ``Start`` carried no ``resume``."""
    resume_reason: str | None = None
    """With ``fresh``: ``unknown``, ``expired`` or ``behind``; else None."""
    send_from_at: int = 0
    """First audio sample, at the declared rate, that the server wants next."""
    heartbeat_s: float | None = None
    """How often ``Heartbeat`` comes; None: never."""
    resume_s: float = 0.0
    """How long a broken session is kept."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A segment has opened; ``at_ms`` is where its audio starts."""

    seq: int
    segment: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Partial:
    """The open segment's text so far; ``text[:committed]`` will not change any more."""

    seq: int
    segment: int
    text: str
    committed: int
    """Unicode code points of ``text``."""
    words: tuple[Word, ...]
    at_ms: int
    """Audio up to here was taken into account."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The decision to close a segment, and the rule that made it; the final follows."""

    seq: int
    segment: int
    rule: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Final:
    """The text of a closed segment. It never changes."""

    seq: int
    segment: int
    text: str
    words: tuple[Word, ...]
    start_ms: int
    end_ms: int
    ack_at: int
    """The client may forget its audio before this sample, at the declared rate."""
    language: str | None = None
    """What was spoken, as it was asked for or detected; None: neither."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The client may forget its audio before sample ``at``, at the declared rate."""

    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything received before ``Flush(id)`` has been answered by finals."""

    seq: int
    id: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The server is there, and this is how far it has come. Not numbered."""

    seq: int
    """Number of the last numbered message before this one."""
    received_at: int
    """Samples received so far, at the declared rate."""
    heard_ms: int
    """Audio decided so far."""
    lag_ms: int
    """Audio received and not decided yet."""
    realtime_factor: float
    """Seconds of computing per second of audio, of this session so far."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio in between never reached the server; both at the declared rate."""

    seq: int
    from_at: int
    to_at: int


@dataclass(frozen=True, slots=True)
class Done:
    """The last message after ``Finish``: every final was sent."""

    seq: int
    audio_ms: int
    """Length of all audio received."""


@dataclass(frozen=True, slots=True)
class Error:
    """Something went wrong; after a fatal error the server closes the connection."""

    seq: int
    code: str
    message: str
    fatal: bool


ServerMessage: TypeAlias = (
    Ready
    | SpeechStarted
    | Partial
    | Endpoint
    | Final
    | Ack
    | Flushed
    | Heartbeat
    | Gap
    | Done
    | Error
)

SERVER_TYPES: dict[str, type[ServerMessage]] = {
    "ready": Ready,
    "speech_started": SpeechStarted,
    "partial": Partial,
    "endpoint": Endpoint,
    "final": Final,
    "ack": Ack,
    "flushed": Flushed,
    "heartbeat": Heartbeat,
    "gap": Gap,
    "done": Done,
    "error": Error,
}
"""Messages of a server by their ``type`` on the wire."""
