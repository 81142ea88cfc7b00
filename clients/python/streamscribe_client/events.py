"""What a caller iterates over: the protocol's own messages, and what became of the connection."""

from dataclasses import dataclass
from typing import TypeAlias

from streamscribe_protocol.messages import (
    Endpoint,
    Error,
    Final,
    Flushed,
    Gap,
    Partial,
    Resumed,
    SpeechStarted,
)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke; another one is being tried. The stream goes on meanwhile."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The stream goes on."""

    resumed: Resumed
    """``continued``: the server still had the session. ``fresh``: it began a new one there."""
    after_s: float
    """Seconds since the connection broke."""


ConnectionEvent: TypeAlias = Disconnected | Reconnected
"""For callers who ask for it with ``connection_events=True``."""
StreamEvent: TypeAlias = (
    SpeechStarted | Partial | Endpoint | Final | Flushed | Gap | Error | ConnectionEvent
)
"""What a caller iterates over."""
