"""What passes between a connection, on the event loop, and the engine thread.

Commands go in and updates come out, both immutable; nothing else is shared::

    Open  (Audio | Flush | Hotwords)*  Finish?  Close          connection -> engine
    Opened  Progress*  (Ended | Failed)?            engine -> connection
"""

from dataclasses import dataclass
from typing import TypeAlias

from streamscribe.continuation import Continuation
from streamscribe.events import Event
from streamscribe.ingest import AudioFormat
from streamscribe.options import SessionOptions


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a stream."""

    model: str
    """Name in the catalogue, already found there."""
    format: AudioFormat
    options: SessionOptions
    continuation: Continuation | None = None
    """None: the stream begins at 0."""
    key: str | None = None
    """Name of the API key that it came with, for the log."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes in the stream's format; may end inside a sample."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """Close the open segment after the audio sent so far."""

    id: str


@dataclass(frozen=True, slots=True)
class Hotwords:
    """Lean towards these phrases in the audio that follows; the model can spell them."""

    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """There is no more audio."""


@dataclass(frozen=True, slots=True)
class Close:
    """Forget the stream at once."""

    reason: str
    """One word for the log."""


Command: TypeAlias = Open | Audio | Flush | Hotwords | Finish | Close


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream exists."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Events, and how far the stream has got; positions only grow."""

    events: tuple[Event, ...]
    decided_at: int
    """Nothing is left to do before this position without more audio."""
    settled_at: int
    """Audio before this position is never needed again."""
    compute_s: float = 0.0
    """Seconds of model calls so far."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Every event was delivered; nothing follows."""

    heard_at: int
    """Samples received in all."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream ended early; nothing follows."""

    code: str
    message: str


Update: TypeAlias = Opened | Progress | Ended | Failed
