"""A step that a stream waits for, and what its steps have cost."""

from dataclasses import dataclass

from streamscribe.model import Step


@dataclass(slots=True)
class Counters:
    """What a stream has cost, for the log line at its end."""

    steps: int = 0
    skipped: int = 0
    """Partials that were left out to catch up."""
    compute_s: float = 0.0
    lag_max_s: float = 0.0
    """Longest time from when a step was due to when its result was there."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that the session wants, and when it was due on the scheduler's clock."""

    step: Step
    due_s: float
    paced_s: float
    """When it was due at the stream's own pace."""
    deadline_s: float
    """By when its result should be there: a partial before the next is due."""
