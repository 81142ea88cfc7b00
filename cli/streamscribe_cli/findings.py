"""What ``streamscribe check`` finds: one line each."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    LIMITED = "limited"  # something that not everybody needs is missing
    BROKEN = "broken"  # nothing can be transcribed like this


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    state: State
    said: str
    mend: str | None = None
    """The command that mends it."""
