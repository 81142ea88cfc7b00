"""What a client sends. ``streamscribe_protocol.messages`` has all of it by name."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

VERSION = 1
"""The protocol's version, in ``Start`` and ``Ready``."""

CommitMode: TypeAlias = Literal["append", "final"]
"""``append``: committed text never changes. ``final``: nothing is promised before the final."""
CommitRule: TypeAlias = Literal["agreement", "alignment"]
"""What counts as settled: what consecutive hypotheses say, or what was spoken long enough ago."""
LatencyPreset: TypeAlias = Literal["minimal", "low", "medium", "high"]
SearchMethod: TypeAlias = Literal["greedy", "beam", "sample"]
TaskName: TypeAlias = Literal["transcribe", "translate"]
"""The words as they were spoken, or their meaning in English."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the binary frames hold. The server says which values it can use."""

    encoding: str
    """``pcm_s16le``, ``pcm_f32le``, ``mulaw`` or ``alaw``; channels interleaved."""
    rate: int
    """Hertz."""
    channels: int


@dataclass(frozen=True, slots=True)
class Endpointing:
    """When segments open and close; None leaves a value to the server."""

    silence_ms: int | None = None
    """Silence that closes a segment."""
    soft_pause_ms: int | None = None
    """Silence after which the text is looked at again, with the segment left open."""
    min_speech_ms: int | None = None
    pre_roll_ms: int | None = None
    max_segment_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a broken session goes on. Positions are samples at the declared rate."""

    token: str
    """``Ready.resume_token`` of the session that broke."""
    from_at: int
    """First sample that the client still has: normally ``acked_at``."""
    acked_at: int
    """Last acknowledged position; audio from here to a later ``from_at`` is lost."""
    last_seq: int
    """``seq`` of the last numbered message received."""
    next_segment: int
    """Number of the open segment, or of the next one to open."""
    segment_open: bool
    """``SpeechStarted`` of ``next_segment`` was received and its ``Final`` was not."""
    committed_text: str
    """Committed text of the open segment, "" if none is; the new text starts with it."""
    context_text: str
    """Text before that segment, as context for the model: at most 400 characters."""
    heard_at: int
    """First sample that the client was not given yet, the end of what it holds; for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first message of a client. Audio may follow at once. None: the server's default."""

    version: int = VERSION
    audio: AudioFormat
    model: str | None = None
    language: str | None = None
    """Code of what is spoken, such as ``en``."""
    task: TaskName | None = None
    prompt: str | None = None
    """Text that came before, or words and names to expect."""
    partials: bool = True
    commit: CommitMode = "append"
    commit_by: CommitRule | None = None
    endpointing: Endpointing | None = None
    hop_ms: int | None = None
    """New audio between two partials; a CTC model has the hop of its ``latency``."""
    latency: LatencyPreset | None = None
    """How long the model waits for what follows before it commits."""
    search: SearchMethod | None = None
    """How the text is found; of a seq2seq model, that of finals."""
    beam_size: int | None = None
    """Texts that compete in a seq2seq model's beam."""
    temperature: float | None = None
    """What scores are divided by before a token is drawn."""
    hotwords: tuple[str, ...] = ()
    resume: Resume | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """Close the open segment at what was received so far; answered by ``Flushed``."""

    id: str


@dataclass(frozen=True, slots=True)
class Hotwords:
    """Lean towards these phrases, and no others, in the audio that follows."""

    hotwords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The client is there, though it has nothing to send; audio time does not advance."""


@dataclass(frozen=True, slots=True)
class Finish:
    """There is no more audio; answered by the last finals and ``Done``."""


ClientMessage: TypeAlias = Start | Flush | Hotwords | KeepAlive | Finish
CLIENT_TYPES: dict[str, type[ClientMessage]] = {
    "start": Start,
    "flush": Flush,
    "hotwords": Hotwords,
    "keep_alive": KeepAlive,
    "finish": Finish,
}
"""Messages of a client by their ``type`` on the wire."""
