"""What a session has written so far, and where in the audio it was spoken.

The text is one list of tokens over all segments::

    tokens   0 ....... segment_index ....... fixed ....... len
             earlier    settled part of       hypothesis
             segments   the open segment      (may change)

A *mark* pairs a position of the audio with an index of the list: what is spoken from the position
on is written from the index on. A window of audio may begin at any mark, with the settled tokens
since then as forced prefix. That is how context is carried over pauses and segments, and how a
long segment's window slides without losing or doubling a word.

Marks come from the beginnings of segments, and from *pauses*. What the hypothesis says at a pause
was spoken before it; once later hypotheses agree on those words, the pause has become a mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streamscribe.commitment import Commitment, Evidence
from streamscribe.model import TokenTable
from streamscribe.stability import ages_of, starts_word
from streamscribe.words import without_end_punctuation


@dataclass(frozen=True, slots=True)
class Mark:
    """Audio from ``at`` on is text from ``index`` on."""

    at: int
    index: int


@dataclass(frozen=True, slots=True)
class SpokenAt:
    """Where a token was spoken."""

    start_at: int
    end_at: int
    attended_at: int
    """What the choice of the token rests on most."""


@dataclass(frozen=True, slots=True)
class Pause:
    """At ``at`` the segment's text was ``tokens``, maybe with punctuation after them."""

    at: int
    tokens: tuple[int, ...]


class Transcript:
    """Tokens, marks, and how much of them is settled. Bounded by ``forget_before``."""

    def __init__(self, table: TokenTable) -> None:
        self.tokens: list[int] = []
        self.log_probs: list[float] = []
        self.ages: list[int] = []  # looks in a row that showed the token in its place
        self.spoken: list[SpokenAt | None] = []  # None: nobody knows where
        self.marks: list[Mark] = []
        self.segment_index = 0
        self.fixed = 0
        self._table = table
        self._pauses: list[Pause] = []

    @property
    def _lists(self) -> tuple[list[int], list[float], list[int], list[SpokenAt | None]]:
        """Everything that has one entry per token."""
        return self.tokens, self.log_probs, self.ages, self.spoken

    @property
    def hypothesis(self) -> tuple[int, ...]:
        """What follows the settled tokens, as far as is known now."""
        return tuple(self.tokens[self.fixed :])

    @property
    def newest_mark(self) -> Mark:
        """The mark nearest to now."""
        return self.marks[-1]

    def begin_segment(self, at: int) -> None:
        """A segment begins at ``at``; everything before is settled."""
        self.fixed = self.segment_index = len(self.tokens)
        self.marks.append(Mark(at, self.fixed))
        self._pauses = []

    def replace_hypothesis(
        self,
        tokens: Sequence[int],
        log_probs: Sequence[float],
        spoken: Sequence[SpokenAt | None] | None = None,
    ) -> None:
        """What follows the settled tokens is ``tokens``, as far as is known now."""
        ages = ages_of(self.hypothesis, self.ages[self.fixed :], tokens)
        self.tokens[self.fixed :] = tokens
        self.log_probs[self.fixed :] = log_probs
        self.ages[self.fixed :] = ages
        self.spoken[self.fixed :] = [None] * len(tokens) if spoken is None else spoken
        stands = self.fixed + sum(age > 1 for age in ages)
        # A mark behind text that is no longer there marks nothing.
        self.marks = [mark for mark in self.marks if mark.index <= stands]

    def stable_index(self, commitment: Commitment, heard_until_at: int) -> int:
        """Where the text ends that may be committed now; at least ``fixed``."""
        rest = slice(self.fixed, None)
        evidence = Evidence(
            self.tokens[rest],
            self.log_probs[rest],
            self.ages[rest],
            [None if one is None else one.attended_at for one in self.spoken[rest]],
            heard_until_at,
        )
        return self.fixed + commitment.stable_len(evidence, self._table)

    def settle(self, index: int) -> None:
        """The tokens before ``index`` will not change."""
        assert self.fixed <= index <= len(self.tokens)
        self.fixed = index

    def note_pause(self, at: int) -> None:
        """What the segment's text is now was spoken before ``at``."""
        length = without_end_punctuation(self.tokens, self._table)
        if length > self.segment_index:
            self._pauses.append(Pause(at, tuple(self.tokens[self.segment_index : length])))

    def promote_pauses(self, agreed: int) -> None:
        """Make marks of the pauses whose text lies before ``agreed`` and still stands."""
        waiting: list[Pause] = []
        for pause in self._pauses:
            end = self.segment_index + len(pause.tokens)
            if tuple(self.tokens[self.segment_index : end]) != pause.tokens:
                continue
            while end < len(self.tokens) and not starts_word(self.tokens[end], self._table):
                end += 1  # punctuation, which is spoken by the pause itself
            if end <= agreed and end < len(self.tokens):
                self.marks.append(Mark(pause.at, end))
            else:
                waiting.append(pause)
        self._pauses = waiting

    def promise(self, tokens: Sequence[int], log_prob: float) -> None:
        """The open segment begins with ``tokens``, which were committed before the stream began."""
        assert self.segment_index == len(self.tokens), "the segment has text already"
        self.replace_hypothesis(tokens, [log_prob] * len(tokens))
        self.settle(len(self.tokens))

    def mark(self, at: int, index: int) -> None:
        """What is spoken from ``at`` on is settled text from ``index`` on."""
        assert self.newest_mark.index <= index <= self.fixed
        self.marks.append(Mark(at, index))

    def mark_here(self, at: int) -> None:
        """All of the text, but for punctuation at its end, was spoken before ``at``: settle it."""
        length = max(self.fixed, without_end_punctuation(self.tokens, self._table))
        for one in self._lists:
            del one[length:]
        self.fixed = length
        self.marks.append(Mark(at, length))
        self._pauses = []

    def window_mark(self, end_at: int, limit_len: int) -> Mark:
        """The earliest mark from which a window to ``end_at`` is at most ``limit_len`` long.

        The newest mark if there is none.
        """
        for mark in self.marks:
            if end_at - mark.at <= limit_len:
                return mark
        return self.newest_mark

    def forget_before(self, at: int) -> None:
        """Drop the marks before ``at``, but for the newest, and the text that only they need."""
        keep = [mark for mark in self.marks[:-1] if mark.at >= at] + self.marks[-1:]
        cut = min([self.segment_index, self.fixed, *(mark.index for mark in keep)])
        for one in self._lists:
            del one[:cut]
        self.marks = [Mark(mark.at, mark.index - cut) for mark in keep]
        self.segment_index -= cut
        self.fixed -= cut
