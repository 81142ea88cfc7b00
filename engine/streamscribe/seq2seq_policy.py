"""The seq2seq policy: which audio to decode next, from which text, and what may be promised.

While somebody talks, the window from some mark to now is decoded once per hop, with the settled
text forced and the last hypothesis as draft. What consecutive hypotheses agree on is committed
(``commitment.py``). At a soft pause the text is looked at once more, if anything was said since.
Shortly before the silence is long enough to close the segment, the final is decoded in the full
window; if nobody speaks, it is ready when the segment closes, and nothing is left to compute.

What becomes final and is not sure is heard again, framed differently, and the likelier text wins.
How audio falls into a model's frames is luck, and the text of doubtful audio hangs on it;
``bench/sensitivity.py`` measures how much.

Where somebody talks on without a pause until the window is full, the audio is cut at the quietest
point of the newest hop, and the hypothesis for what lies before is settled whole.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from streamscribe import guards, policy
from streamscribe.catching_up import Heard, tokens_of
from streamscribe.commitment import SURE_LOG_PROB, commitment_of
from streamscribe.continuation import Continuation
from streamscribe.events import Event, Rule
from streamscribe.events import Final as FinalEvent
from streamscribe.mel_window import MelWindow
from streamscribe.model import (
    DecodeResult,
    DecodeStep,
    Features,
    FrontState,
    Samples,
    StepResult,
    TokenTable,
    Wish,
)
from streamscribe.options import Commit, CommitBy, Latency, Search, SessionOptions, Task
from streamscribe.segment_text import SegmentText
from streamscribe.seq2seq_look import (
    TENTATIVE,
    Look,
    Purpose,
    is_worth_hearing_again,
    plausibility,
)
from streamscribe.seq2seq_traits import Traits
from streamscribe.timeline import ms_to_len
from streamscribe.transcript import SpokenAt, Transcript
from streamscribe.words import Span

PARTIAL_WINDOW_LEN: Final = ms_to_len(6_000)
"""Partials take in earlier marks only as long as the window stays this short."""

CONTEXT_GAP_LEN: Final = ms_to_len(3_000)
"""After a longer silence a segment begins without the context of the one before."""

TAIL_LEN: Final = ms_to_len(1_000)
"""Most silence that a look takes in after the last voiced sample."""

STEADY_LEN: Final = ms_to_len(4_000)
LONGEST_HOPS: Final = 2
"""A longer window than the first costs more to look at, so it is looked at less often: in
proportion, and at least once in so many hops."""

EARLY_HOPS: Final = 2
"""A segment's first hops are half as long, so that its first words show up sooner."""


MISLED_LEN: Final = ms_to_len(300)
"""Where so much voice gives no text behind earlier text, the segment is looked at alone."""

LANGUAGE_LEN: Final = ms_to_len(3_000)
"""A language that was detected on this much audio stays for the session."""


class Seq2SeqPolicy:
    """Turns looks at the audio into the text of one segment after another."""

    def __init__(self, options: SessionOptions, table: TokenTable, traits: Traits) -> None:
        self._append = options.commit is Commit.APPEND
        self._partials = options.partials
        self._hop_len = ms_to_len(options.hop_ms)
        self._window_len = ms_to_len(options.window_ms)
        self._table = table
        self._traits = traits
        self._max_tokens_per_s = traits.max_tokens_per_s
        self._commitment = commitment_of(
            options.commit_by or CommitBy.AGREEMENT, options.latency or Latency.MEDIUM
        )
        mel = None if traits.front_end is None else traits.front_end.mel
        self._mel = None if mel is None else MelWindow(mel)
        self._front: tuple[int, FrontState] | None = None  # of the window that begins there
        task = options.task or Task.TRANSCRIBE
        self._partial_wish = Wish(options.language, task, traits.context)
        self._final_wish = replace(
            self._partial_wish,
            search=options.search or Search.GREEDY,
            beam_size=options.beam_size,
            temperature=options.temperature,
            thorough=traits.thorough,
        )
        self._transcript = Transcript(table)
        self._transcript.begin_segment(0)  # what leads to the first words is context too
        self._text = SegmentText(self._transcript, table, traits.doubt, -1, 0, 0)
        self._start_at = 0
        self._onset_at = 0
        self._alone = False  # nothing from before the segment is looked at
        self._behind = False  # what was committed before the stream began was not heard again
        self._end_at = 0
        self._next_look_at = 0
        self._looked_at = 0  # where the newest partial's audio ended
        self._looked_before = 0
        self._again: Look | None = None  # has to follow the look that was done
        self._answered_at = -1  # where the silence began for which the final is known

    def go_on(self, continuation: Continuation) -> None:
        """The stream begins where the continuation says, maybe with a segment open."""
        start_at, text = continuation.start_at, continuation.committed_text
        self._transcript = Transcript(self._table)
        self._transcript.begin_segment(start_at)
        self._end_at = start_at
        if self._traits.encode is not None:
            context = self._traits.context + self._traits.encode(continuation.context_text)
            self._tell(context)
        if not continuation.goes_on_open:
            return
        self.open(continuation.segment, start_at, start_at)
        if text:
            tokens = tokens_of(text, self._table)
            self._transcript.promise(tokens, SURE_LOG_PROB)
            self._text.promise(text, len(tokens))
            self._behind = True

    def _tell(self, context: tuple[int, ...]) -> None:
        """Text that comes before the audio."""
        self._partial_wish = replace(self._partial_wish, context=context)
        self._final_wish = replace(self._final_wish, context=context)

    @property
    def behind(self) -> bool:
        """Whether text that was committed before the stream began is still to be heard again."""
        return self._behind

    def open(self, segment: int, start_at: int, onset_at: int) -> None:
        """A segment begins."""
        transcript = self._transcript
        if start_at - self._end_at > CONTEXT_GAP_LEN:
            transcript = self._transcript = Transcript(self._table)
        transcript.begin_segment(start_at)
        transcript.forget_before(start_at - self._window_len)
        self._text = SegmentText(
            transcript, self._table, self._traits.doubt, segment, start_at, onset_at
        )
        self._start_at = start_at
        self._onset_at = onset_at
        self._alone = False
        self._next_look_at = onset_at + self._hop_len
        self._answered_at = -1

    def oldest_needed_at(self, at: int, voiced_until_at: int) -> int:
        """Audio before this position will not be looked at while a segment is open."""
        at = min(at, voiced_until_at + TAIL_LEN)
        # A cut may look at audio that ends up to a hop earlier, from an earlier mark.
        return min(self._transcript.window_mark(at - self._hop_len, self._window_len).at, at)

    def context_needed_at(self, silent_until_at: int) -> int:
        """The same while none is open, and none can begin before ``silent_until_at``."""
        if not self._transcript.marks or silent_until_at - self._end_at > CONTEXT_GAP_LEN:
            return silent_until_at
        return min(self.oldest_needed_at(silent_until_at, silent_until_at), silent_until_at)

    def look_at_hop(self, at: int, *, talking: bool) -> Look | None:
        """The look that is due at ``at`` while somebody talks."""
        if not talking or not self._partials or at < self._next_look_at:
            return None
        self._looked_before, self._looked_at = self._looked_at, at
        look = self._look(Purpose.PARTIAL, at)
        early = at - self._onset_at < EARLY_HOPS * self._hop_len
        hop_len = self._hop_len // 2 if early else self._hop_after(look.end_at - look.start_at)
        self._next_look_at = at + hop_len
        return look

    def look_at_pause(self, at: int, voiced_until_at: int) -> Look | None:
        """The look at a soft pause; None if the newest partial has heard what was said."""
        if self._looked_at >= voiced_until_at:
            if not self._behind:
                self._transcript.note_pause(at)
            return None
        self._next_look_at = at + self._hop_len
        return self._look(Purpose.PAUSE, min(at, voiced_until_at + TAIL_LEN))

    def look_ahead(self, at: int, voiced_until_at: int) -> Look:
        """The look shortly before the silence from ``voiced_until_at`` on ends the segment."""
        self._answered_at = voiced_until_at
        self._next_look_at = at + self._hop_len
        return self._look(Purpose.AHEAD, min(at, voiced_until_at + TAIL_LEN))

    def must_cut(self, at: int) -> bool:
        """Whether the audio since the newest mark leaves no room for another hop."""
        return at - self._transcript.newest_mark.at >= self._window_len - self._hop_len

    @property
    def earliest_cut_at(self) -> int:
        """Audio before this position can't be cut: its text is behind a mark."""
        return self._transcript.newest_mark.at

    def look_at_cut(self, cut_at: int) -> Look:
        """The look that settles what lies before ``cut_at``."""
        return self._look(Purpose.CUT, cut_at)

    def look_at_end(self, rule: Rule, end_at: int, voiced_until_at: int) -> Look | None:
        """The look that the final needs; None if the look ahead has answered already."""
        if rule is Rule.SILENCE and self._answered_at == voiced_until_at:
            return None
        return self._look(Purpose.FINAL, min(end_at, voiced_until_at + TAIL_LEN))

    def step(self, look: policy.Look, samples: Samples, due_at: int) -> DecodeStep:
        """The step for ``look``, whose audio is ``samples``."""
        assert isinstance(look, Look)
        wish = self._partial_wish if look.purpose in TENTATIVE else self._final_wish
        step = look.step(samples, due_at, wish, self._features(look, samples))
        if self._front is None or self._front[0] != look.start_at or look.lead_len:
            return step
        return replace(step, front=self._front[1])

    def _features(self, look: Look, samples: Samples) -> Features | None:
        """Of the look's audio and the silence after it, most of which are known already."""
        front_end = self._traits.front_end
        if self._mel is None or front_end is None:
            return None
        tail_len = front_end.silence_after(len(samples))
        return self._mel.features(samples, look.start_at, tail_len=tail_len)

    def done(self, look: policy.Look, result: StepResult, voiced: list[Span]) -> list[Event]:
        """Take the result of ``look``; gives the partial that it makes, if anything is new."""
        assert isinstance(look, Look) and isinstance(result, DecodeResult)
        if result.front is not None and not look.lead_len:
            self._front = look.start_at, result.front
        chosen = self._chosen(look, result, voiced)
        if chosen is None:
            return []
        self._settle_language(look, chosen)
        self._write(look, chosen)
        if look.purpose is Purpose.FINAL:
            return []
        return self._promise(look, voiced)

    def _chosen(self, look: Look, result: DecodeResult, voiced: list[Span]) -> DecodeResult | None:
        """What the look's audio says; None: not known yet, ``_again`` may have to follow."""
        heard = (*look.heard, result)
        if self._behind and not self._has_caught_up(look, result):
            return None
        kept = [one for one in heard if one.tokens[: len(look.promised)] == look.promised]
        if not kept:
            self._again = self._look(look.purpose, look.end_at, keep=True)
            return None
        lead_len = self._traits.lead_len
        if lead_len and not look.heard and is_worth_hearing_again(look, result):
            self._again = replace(look, lead_len=lead_len, draft=result.tokens, heard=heard)
            return None
        if self._misled(look, result, voiced):
            self._alone = True
            self._again = self._look(look.purpose, look.end_at)
            return None
        return max(kept, key=plausibility)

    def _write(self, look: Look, result: DecodeResult) -> None:
        """The hypothesis is now what ``result`` says, up to where it begins to loop."""
        transcript = self._transcript
        promised_len = len(look.promised)
        settled = transcript.tokens[transcript.segment_index : transcript.fixed]
        tokens, log_probs = result.tokens[promised_len:], result.log_probs[promised_len:]
        kept_len = max(0, guards.loop_start((*settled, *tokens)) - len(settled))
        spoken = _placed(result, look)[promised_len:]
        transcript.replace_hypothesis(tokens[:kept_len], log_probs[:kept_len], spoken[:kept_len])

    def _promise(self, look: Look, voiced: list[Span]) -> list[Event]:
        """Settle what may be promised now, and show the text if anything is new."""
        transcript = self._transcript
        stable = transcript.stable_index(self._commitment, look.end_at)
        transcript.promote_pauses(stable)
        if self._append and self._text.is_believable(voiced):
            transcript.settle(stable)
        if look.purpose is Purpose.PAUSE:
            transcript.note_pause(look.end_at)
        if look.purpose is Purpose.CUT:
            # It heard less than the newest partial: to show it would take words back for a hop.
            transcript.mark_here(look.end_at)
            return []
        if not self._partials:
            return []
        return self._text.partial(look.end_at, voiced, promising=self._append)

    def _has_caught_up(self, look: Look, result: DecodeResult) -> bool:
        """Whether ``result`` begins with what was committed; if it does in other words, again.

        Else the audio has not come so far, and nothing that follows can be known.
        """
        promised = look.promised
        heard = Heard(result, promised, self._table, self._traits.doubt)
        as_promised = result.tokens[: len(promised)] == promised
        if as_promised or heard.is_whole:
            self._behind = False
        if as_promised:
            return True
        if not self._behind:
            self._again = self._look(look.purpose, look.end_at, keep=True)
        elif look.purpose is Purpose.CUT:
            index = self._transcript.fixed - len(promised) + heard.said_len
            self._transcript.mark(look.end_at, index)
        return False

    def set_hotwords(self, phrases: tuple[str, ...]) -> None:
        """Nothing: whoever asked was refused before."""
        assert not phrases, "hotwords of a seq2seq model"

    def skip(self, look: policy.Look, arrived_at: int) -> bool:
        """Whether ``look`` only shows text, and the audio for the next look is there."""
        assert isinstance(look, Look)
        if look.purpose not in TENTATIVE or arrived_at < self._next_look_at:
            return False
        if look.purpose is Purpose.PARTIAL:
            self._looked_at = self._looked_before
        return True

    def look_again(self) -> Look | None:
        """The look that has to follow the one that was done."""
        again, self._again = self._again, None
        return again

    def close(self, end_at: int, voiced: list[Span]) -> FinalEvent:
        """The segment ends at ``end_at``; every look has been answered."""
        transcript = self._transcript
        if not self._text.is_believable(voiced):
            transcript.replace_hypothesis((), ())
        transcript.settle(len(transcript.tokens))
        self._end_at = end_at
        self._behind = False
        self._tell(self._traits.context)  # from here on the text itself is what came before
        return self._text.final(end_at, voiced, self._final_wish.language)

    def _misled(self, look: Look, result: DecodeResult, voiced: list[Span]) -> bool:
        """Whether earlier text made the model believe that there is nothing more to write."""
        earlier = self._traits.hears_alone and look.start_at < self._start_at
        voiced_len = sum(span.end_at - span.start_at for span in voiced)
        return earlier and not result.tokens and not look.promised and voiced_len >= MISLED_LEN

    def _settle_language(self, look: Look, result: DecodeResult) -> None:
        """What was detected stays from the first look on that heard enough and found words."""
        if result.language is None or not result.tokens:
            return
        if look.end_at - look.start_at < LANGUAGE_LEN:
            return
        self._partial_wish = replace(self._partial_wish, language=result.language)
        self._final_wish = replace(self._final_wish, language=result.language)

    def _hop_after(self, window_len: int) -> int:
        """How soon to look again after a window of this length."""
        if self._behind:
            return LONGEST_HOPS * self._hop_len  # there is nothing to show yet
        stretched_len = self._hop_len * window_len // STEADY_LEN
        return min(max(self._hop_len, stretched_len), LONGEST_HOPS * self._hop_len)

    def _look(self, purpose: Purpose, end_at: int, *, keep: bool = False) -> Look:
        """A look from the earliest mark that its window allows.

        What was promised is part of the draft where a look decides; nearly always the result
        begins with it. With ``keep``, it is forced.
        """
        transcript = self._transcript
        tentative = purpose in TENTATIVE
        limit_len = min(PARTIAL_WINDOW_LEN, self._window_len) if tentative else self._window_len
        if self._alone:
            limit_len = min(limit_len, end_at - self._start_at)
        mark = transcript.window_mark(end_at, limit_len)
        transcript.settle(max(transcript.fixed, mark.index))
        transcript.forget_before(end_at - self._window_len)
        mark = transcript.window_mark(end_at, limit_len)
        forced_until = transcript.fixed
        if self._behind or not (tentative or keep):
            forced_until = max(mark.index, transcript.segment_index)
        cap = guards.token_cap(end_at - mark.at, self._max_tokens_per_s)
        promised = tuple(transcript.tokens[forced_until : transcript.fixed])
        return Look(
            purpose=purpose,
            start_at=mark.at,
            end_at=end_at,
            forced=tuple(transcript.tokens[mark.index : forced_until]),
            draft=tuple(transcript.tokens[forced_until:]),
            max_new_tokens=max(guards.SHORTEST_CAP, cap - (forced_until - mark.index)),
            promised=promised,
        )


def _placed(result: DecodeResult, look: Look) -> Sequence[SpokenAt | None]:
    """Where each token of a look's result was spoken, in the session's audio."""
    if not result.spoken:
        return [None] * len(result.tokens)
    first_at = look.start_at - look.lead_len
    return [
        SpokenAt(first_at + one.start_len, first_at + one.end_len, first_at + one.attended_len)
        for one in result.spoken
    ]
