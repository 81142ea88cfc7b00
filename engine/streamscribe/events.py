"""What a session tells its caller: immutable facts, in the order in which they became true.

Per segment::

    SpeechStarted  Partial*  Endpoint  Final

A ``Partial`` may be revised by the next one, but ``text[:committed]`` only ever grows, and
``Final.text`` starts with it. Every ``SpeechStarted`` is followed by exactly one ``Final``,
possibly empty. All positions are samples at 16 kHz on the session's own clock, which starts
at 0 with the first sample received, or where a ``Continuation`` says.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Timing(StrEnum):
    """Where a word's times come from."""

    MEASURED = "measured"  # from the model's own alignment of text and audio
    ESTIMATED = "estimated"  # from when the word first appeared and where speech was heard


class Rule(StrEnum):
    """Why a segment was closed."""

    SILENCE = "silence"  # the speaker was silent for the hard endpoint's length
    MAX_LENGTH = "max_length"  # the segment reached the longest allowed
    FLUSH = "flush"  # the caller asked for it
    END_OF_AUDIO = "end_of_audio"  # there is no more audio
    GAP = "gap"  # audio is missing: only where a session goes on from another one


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a partial or a final."""

    text: str
    start_at: int
    end_at: int
    confidence: float
    """Geometric mean of the probabilities of the word's tokens, in [0, 1]."""
    timing: Timing


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A segment has opened."""

    segment: int
    at: int
    """First sample that belongs to the segment, pre-roll included."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The text of the open segment as far as it is known."""

    segment: int
    text: str
    committed: int
    """Length in characters of the part of ``text`` that will not change any more."""
    words: tuple[Word, ...]
    at: int
    """Audio up to this position was taken into account."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The decision to close a segment; its ``Final`` follows."""

    segment: int
    rule: Rule
    at: int


@dataclass(frozen=True, slots=True)
class Final:
    """The text of a closed segment. It never changes."""

    segment: int
    text: str
    words: tuple[Word, ...]
    start_at: int
    end_at: int
    """One past the last sample that belongs to the segment."""
    language: str | None = None
    """What was spoken, as it was asked for or detected; None: neither."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """Everything received before ``Session.flush(id)`` has been answered by finals."""

    id: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The audio from ``from_at`` to before ``to_at`` never came; no segment is open there."""

    from_at: int
    to_at: int


Event: TypeAlias = SpeechStarted | Partial | Endpoint | Final | Flushed | Gap
