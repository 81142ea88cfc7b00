"""What may be said about a stream when it is opened, and how long it is held on to."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, TypedDict, cast

from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import (
    AudioFormat,
    CommitMode,
    CommitRule,
    Endpointing,
    LatencyPreset,
    SearchMethod,
    Start,
    TaskName,
    decode_client_message,
    encode,
)

Overflow: TypeAlias = Literal["gap", "wait"]
"""What happens when more audio waits for the server than is kept: the oldest is given up, and a
``Gap`` tells of it, or ``send`` waits."""


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


class ConnectOptions(StreamOptions, total=False):
    """``StreamOptions``, who connects, and what is done when the connection breaks."""

    api_key: str | None
    """What to show to a server that asks for a key; ``STREAMSCRIBE_API_KEY`` unless given."""
    resume: bool
    """True unless given: go on with the stream over another connection."""
    buffer_s: float
    """Seconds of audio kept for the server that it has not acknowledged yet; 120 unless given.
    With ``overflow="wait"`` never less than a segment may last, and 10 s."""
    overflow: Overflow
    """``gap`` (unless given), for live sources, or ``wait``, for files."""
    reconnect_s: float
    """Seconds without a connection, trying again, before ``ConnectionLost``; 60 unless given."""
    connection_events: bool
    """True: ``Disconnected`` and ``Reconnected`` come among the events. False unless given."""


MAX_S = 86_400
"""A day: longest ``buffer_s`` and ``reconnect_s``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perseverance:
    """How a stream is held on to: the part of ``ConnectOptions`` that the server isn't told."""

    api_key: str | None = field(default=None, repr=False)
    resume: bool = True
    buffer_s: float = 120.0
    overflow: Overflow = "gap"
    reconnect_s: float = 60.0
    connection_events: bool = False

    def __post_init__(self) -> None:
        for name, seconds in (("buffer_s", self.buffer_s), ("reconnect_s", self.reconnect_s)):
            if not 0 <= seconds <= MAX_S:
                raise LocalProtocolError(f"{name} is {seconds!r}; allowed: 0 to {MAX_S} seconds")
        if self.overflow not in ("gap", "wait"):
            raise LocalProtocolError(f"overflow is {self.overflow!r}; allowed: 'gap' or 'wait'")


PERSEVERANCE = Perseverance()
"""Unless the caller says otherwise."""


def parted(options: ConnectOptions) -> tuple[StreamOptions, Perseverance]:
    """What the server is told of ``options``, and what it isn't. Raises ``LocalProtocolError``."""
    ours = {field.name for field in fields(Perseverance)}
    told = {name: value for name, value in options.items() if name not in ours}
    kept: dict[str, Any] = {name: value for name, value in options.items() if name in ours}
    return cast("StreamOptions", told), Perseverance(**kept)


def start_message(options: StreamOptions) -> Start:
    """The first message. Raises ``LocalProtocolError`` for an unknown option or a wrong type."""
    unknown = sorted(options.keys() - StreamOptions.__annotations__.keys())
    if unknown:
        allowed = ", ".join(sorted(ConnectOptions.__annotations__))
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
