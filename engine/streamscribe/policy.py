"""The seq2seq policy: which audio to decode next, from which text, and what may be promised.

While somebody talks, the window from some mark to now is decoded once per hop, with the settled
text forced and the last hypothesis as draft. What consecutive hypotheses agree on is committed
(``stability.py``). At a soft pause the text is looked at once more. Shortly before the silence is
long enough to close the segment, the final is decoded in the full window; if nobody speaks, it is
ready when the segment closes, and nothing is left to compute.

Where somebody talks on without a pause until the window is full, the audio is cut at the quietest
point of the newest hop, and the hypothesis for what lies before is settled whole.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from streamscribe import guards
from streamscribe.events import Event, Partial, Rule
from streamscribe.events import Final as FinalEvent
from streamscribe.model import StepKind, StepResult, TokenTable
from streamscribe.options import Commit, SessionOptions
from streamscribe.timeline import ms_to_len
from streamscribe.tokens import decode
from streamscribe.transcript import Transcript
from streamscribe.words import Span, Spelled, estimate_times, join, spell

PARTIAL_WINDOW_LEN: Final = ms_to_len(6_000)
"""Partials take in earlier marks only as long as the window stays this short."""

CONTEXT_GAP_LEN: Final = ms_to_len(3_000)
"""After a longer silence a segment begins without the context of the one before."""

TAIL_LEN: Final = ms_to_len(1_000)
"""Most silence that a final's look takes in after the last voiced sample."""

EARLY_HOPS: Final = 3
"""A segment's first hops are half as long, so that its first words show up sooner."""


class Purpose(Enum):
    """What a look at the audio is for."""

    PARTIAL = auto()  # a hop has gone by
    PAUSE = auto()  # a soft pause
    AHEAD = auto()  # the silence is about to close the segment: the final, unless somebody talks
    CUT = auto()  # the window is full: settle what lies before ``end_at``
    FINAL = auto()  # the segment is closed


_DRAFTED: Final = frozenset({Purpose.PARTIAL, Purpose.PAUSE})
"""Looks that verify the last hypothesis. What becomes final verifies only what was promised: with
the default model's files a draft that is nearly right tends to be confirmed."""


@dataclass(frozen=True, slots=True)
class Look:
    """A step that the policy wants: the audio's bounds, and what is known of its text."""

    purpose: Purpose
    start_at: int
    end_at: int
    forced: tuple[int, ...]
    draft: tuple[int, ...]
    max_new_tokens: int
    promised: tuple[int, ...] = ()
    """Committed tokens that the result should begin with, though they are not forced."""

    @property
    def kind(self) -> StepKind:
        """How the scheduler should treat it."""
        return StepKind.FINAL if self.purpose is Purpose.FINAL else StepKind.PARTIAL


class Seq2SeqPolicy:
    """Turns looks at the audio into the text of one segment after another."""

    def __init__(
        self, options: SessionOptions, table: TokenTable, *, max_tokens_per_s: float
    ) -> None:
        self._append = options.commit is Commit.APPEND
        self._partials = options.partials
        self._hop_len = ms_to_len(options.hop_ms)
        self._window_len = ms_to_len(options.window_ms)
        self._table = table
        self._max_tokens_per_s = max_tokens_per_s
        self._transcript = Transcript(table)
        self._transcript.begin_segment(0)  # what leads to the first words is context too
        self._segment = -1
        self._start_at = 0
        self._onset_at = 0
        self._end_at = 0
        self._next_look_at = 0
        self._seen_at: list[int] = []  # per word of the segment: the look that first showed it
        self._shown: tuple[str, int] = ("", 0)
        self._again: Look | None = None  # a look that broke a promise, with all promises forced
        self._answered_at = -1  # where the silence began for which the final is known

    def open(self, segment: int, start_at: int, onset_at: int) -> None:
        """A segment begins."""
        transcript = self._transcript
        if start_at - self._end_at > CONTEXT_GAP_LEN:
            transcript = self._transcript = Transcript(self._table)
        transcript.begin_segment(start_at)
        transcript.forget_before(start_at - self._window_len)
        self._segment = segment
        self._start_at = start_at
        self._onset_at = onset_at
        self._next_look_at = onset_at + self._hop_len
        self._seen_at = []
        self._shown = ("", 0)
        self._answered_at = -1

    def oldest_needed_at(self, at: int) -> int:
        """Audio before this position will not be looked at while a segment is open."""
        # A cut may look at audio that ends up to a hop earlier, from an earlier mark.
        return min(self._transcript.window_mark(at - self._hop_len, self._window_len).at, at)

    def context_needed_at(self, silent_until_at: int) -> int:
        """The same while none is open, and none can begin before ``silent_until_at``."""
        if not self._transcript.marks or silent_until_at - self._end_at > CONTEXT_GAP_LEN:
            return silent_until_at
        return min(self.oldest_needed_at(silent_until_at), silent_until_at)

    def look_at_hop(self, at: int) -> Look | None:
        """The look that is due at ``at`` while somebody talks."""
        if at < self._next_look_at:
            return None
        early = at - self._onset_at < EARLY_HOPS * self._hop_len
        self._next_look_at = at + (self._hop_len // 2 if early else self._hop_len)
        if not self._partials:
            return None
        return self._look(Purpose.PARTIAL, at, min(PARTIAL_WINDOW_LEN, self._window_len))

    def look_at_pause(self, at: int) -> Look:
        """The look at a soft pause."""
        return self._look(Purpose.PAUSE, at, min(PARTIAL_WINDOW_LEN, self._window_len))

    def look_ahead(self, at: int, voiced_until_at: int) -> Look:
        """The look shortly before the silence from ``voiced_until_at`` on ends the segment."""
        self._answered_at = voiced_until_at
        return self._look(Purpose.AHEAD, min(at, voiced_until_at + TAIL_LEN), self._window_len)

    def must_cut(self, at: int) -> bool:
        """Whether the audio since the newest mark leaves no room for another hop."""
        return at - self._transcript.newest_mark.at >= self._window_len - self._hop_len

    @property
    def earliest_cut_at(self) -> int:
        """Audio before this position can't be cut: its text is behind a mark."""
        return self._transcript.newest_mark.at

    def look_at_cut(self, cut_at: int) -> Look:
        """The look that settles what lies before ``cut_at``."""
        return self._look(Purpose.CUT, cut_at, self._window_len)

    def look_at_end(self, rule: Rule, end_at: int, voiced_until_at: int) -> Look | None:
        """The look that the final needs; None if the look ahead has answered already."""
        if rule is Rule.SILENCE and self._answered_at == voiced_until_at:
            return None
        end_at = min(end_at, voiced_until_at + TAIL_LEN)
        return self._look(Purpose.FINAL, end_at, self._window_len)

    def done(self, look: Look, result: StepResult, voiced: list[Span]) -> list[Event]:
        """Take the result of ``look``; gives the partial that it makes, if anything is new."""
        transcript = self._transcript
        promised_len = len(look.promised)
        if result.tokens[:promised_len] != look.promised:
            self._again = self._look(look.purpose, look.end_at, self._window_len, keep=True)
            return []
        settled = transcript.tokens[transcript.segment_index : transcript.fixed]
        tokens, log_probs = result.tokens[promised_len:], result.log_probs[promised_len:]
        kept_len = max(0, guards.loop_start((*settled, *tokens)) - len(settled))
        transcript.replace_hypothesis(tokens[:kept_len], log_probs[:kept_len])
        if look.purpose is Purpose.FINAL:
            return []
        stable = transcript.stable_index()
        transcript.promote_pauses(stable)
        if self._append and self._believable(voiced):
            transcript.settle(stable)
        if look.purpose is Purpose.PAUSE:
            transcript.note_pause(look.end_at)
        if look.purpose is Purpose.CUT:
            transcript.mark_here(look.end_at)
        return self._show(look.end_at, voiced) if self._partials else []

    def look_again(self) -> Look | None:
        """The look that has to follow the one that was done."""
        again, self._again = self._again, None
        return again

    def close(self, end_at: int, voiced: list[Span]) -> FinalEvent:
        """The segment ends at ``end_at``; every look has been answered."""
        transcript = self._transcript
        if not self._believable(voiced):
            transcript.replace_hypothesis((), ())
        transcript.settle(len(transcript.tokens))
        words = self._words(len(transcript.tokens))
        self._see(words, voiced[-1].end_at)
        self._end_at = end_at
        return FinalEvent(
            segment=self._segment,
            text=join(words),
            words=estimate_times(words, self._seen_at, voiced, self._onset_at, end_at),
            start_at=self._start_at,
            end_at=end_at,
        )

    def _look(self, purpose: Purpose, end_at: int, limit_len: int, *, keep: bool = False) -> Look:
        """A look from the earliest mark within the limit.

        What becomes final is decoded freely first, given earlier segments only; nearly always it
        begins with what was promised. With ``keep``, the promises are forced.
        """
        transcript = self._transcript
        mark = transcript.window_mark(end_at, limit_len)
        transcript.settle(max(transcript.fixed, mark.index))
        transcript.forget_before(end_at - self._window_len)
        mark = transcript.window_mark(end_at, limit_len)
        drafted = purpose in _DRAFTED
        forced_until = transcript.fixed
        if not drafted and not keep:
            forced_until = max(mark.index, transcript.segment_index)
        cap = guards.token_cap(end_at - mark.at, self._max_tokens_per_s)
        promised = tuple(transcript.tokens[forced_until : transcript.fixed])
        return Look(
            purpose=purpose,
            start_at=mark.at,
            end_at=end_at,
            forced=tuple(transcript.tokens[mark.index : forced_until]),
            draft=transcript.hypothesis if drafted else promised,
            max_new_tokens=max(guards.SHORTEST_CAP, cap - (forced_until - mark.index)),
            promised=promised,
        )

    def _believable(self, voiced: list[Span]) -> bool:
        """Whether the hypothesis may be shown: what the guards say of it."""
        transcript = self._transcript
        hypothesis = transcript.hypothesis
        begins = transcript.fixed == transcript.segment_index
        voiced_len = sum(span.end_at - span.start_at for span in voiced)
        return (
            guards.likely(transcript.log_probs[transcript.fixed :], begins=begins)
            and guards.speakable(len(transcript.tokens) - transcript.segment_index, voiced_len)
            and guards.is_speech(decode(hypothesis, self._table, ended=False))
        )

    def _words(self, end: int) -> list[Spelled]:
        transcript = self._transcript
        part = slice(transcript.segment_index, end)
        return spell(transcript.tokens[part], transcript.log_probs[part], self._table)

    def _see(self, words: list[Spelled], at: int) -> None:
        newest_at = self._seen_at[-1] if self._seen_at else at
        self._seen_at += [max(at, newest_at)] * (len(words) - len(self._seen_at))

    def _show(self, at: int, voiced: list[Span]) -> list[Event]:
        transcript = self._transcript
        shown = len(transcript.tokens) if self._believable(voiced) else transcript.fixed
        words = self._words(shown)
        self._see(words, min(at, voiced[-1].end_at))
        text = join(words)
        committed = len(join(self._words(transcript.fixed))) if self._append else 0
        if (text, committed) == self._shown:
            return []
        self._shown = (text, committed)
        timed = estimate_times(words, self._seen_at, voiced, self._onset_at, at)
        return [Partial(self._segment, text, committed, timed, at)]
