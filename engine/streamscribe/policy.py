"""What a family of models makes of a segment: which audio it wants to look at, and when.

The session knows where segments open, pause and close; a policy knows what to compute of them
and what may be promised. Two families have one each: ``seq2seq_policy.py`` and ``ctc_policy.py``.
"""

from typing import Protocol

from streamscribe.continuation import Continuation
from streamscribe.events import Event, Final, Rule
from streamscribe.model import Samples, Step, StepResult
from streamscribe.words import Span


class Look(Protocol):
    """Audio that a policy wants to be computed; each policy answers to its own kind."""

    @property
    def start_at(self) -> int:
        """First sample."""
        ...

    @property
    def end_at(self) -> int:
        """One past the last sample."""
        ...


class Policy(Protocol):
    """The text of one segment after another. At most one look is open at a time.

    All positions are the session's. Every ``look_...`` may give None: nothing to compute.
    """

    def go_on(self, continuation: Continuation) -> None:
        """The stream begins where the continuation says; called at most once, before all else.

        A segment that goes on open has been opened by this.
        """
        ...

    @property
    def behind(self) -> bool:
        """Whether text that was committed before the stream began is still to be heard again."""
        ...

    def open(self, segment: int, start_at: int, onset_at: int) -> None:
        """A segment begins; voice was first heard at ``onset_at``."""
        ...

    def oldest_needed_at(self, at: int, voiced_until_at: int) -> int:
        """While a segment is open and ``at`` is decided: audio before this is needed no more."""
        ...

    def context_needed_at(self, silent_until_at: int) -> int:
        """The same while none is open, and none can begin before ``silent_until_at``."""
        ...

    def set_hotwords(self, phrases: tuple[str, ...]) -> None:
        """Lean towards these phrases in what is looked at from now on; they were checked."""
        ...

    def look_at_hop(self, at: int, *, talking: bool) -> Look | None:
        """The look that is due at ``at``; ``talking``: the segment is not in a soft pause."""
        ...

    def look_at_pause(self, at: int, voiced_until_at: int) -> Look | None:
        """The look at a soft pause."""
        ...

    def look_ahead(self, at: int, voiced_until_at: int) -> Look | None:
        """The look shortly before the silence from ``voiced_until_at`` on ends the segment."""
        ...

    def must_cut(self, at: int) -> bool:
        """Whether the audio up to ``at`` has to be cut for the model's sake: ``look_at_cut``."""
        ...

    @property
    def earliest_cut_at(self) -> int:
        """Audio before this position can't be cut: its text is known already."""
        ...

    def look_at_cut(self, cut_at: int) -> Look | None:
        """The look that settles what lies before ``cut_at``."""
        ...

    def look_at_end(self, rule: Rule, end_at: int, voiced_until_at: int) -> Look | None:
        """The look that the final needs; None if it is known already."""
        ...

    def step(self, look: Look, samples: Samples, due_at: int) -> Step:
        """The step for ``look``, whose audio is ``samples``."""
        ...

    def done(self, look: Look, result: StepResult, voiced: list[Span]) -> list[Event]:
        """Take the result of ``look``; gives the partial that it makes, if anything is new."""
        ...

    def skip(self, look: Look, arrived_at: int) -> bool:
        """Whether ``look`` may be left out, because a later one will stand for it.

        arrived_at: audio up to here is at hand. After True the look is over, without a result.
        """
        ...

    def look_again(self) -> Look | None:
        """The look that has to follow the one that was done."""
        ...

    def close(self, end_at: int, voiced: list[Span]) -> Final:
        """The segment ends at ``end_at``; every look has been answered."""
        ...
