"""Which audio is decoded from which text, and what becomes of the results.

The policy is driven by hand here: a look is asked for, and answered with words by number.
"""

import pytest

from fakes import PERIOD, WordTable
from streamscribe.events import Event, Final, Partial, Rule
from streamscribe.guards import LOOP_TOKENS_MIN, MEAN_LOG_PROB_MIN
from streamscribe.model import StepKind, StepResult
from streamscribe.options import Commit, SessionOptions
from streamscribe.policy import (
    CONTEXT_GAP_LEN,
    LEAD_LEN,
    LONGEST_HOPS,
    PARTIAL_WINDOW_LEN,
    SHORTEST_FRAMED_LEN,
    STEADY_LEN,
    Look,
    Purpose,
    Seq2SeqPolicy,
)
from streamscribe.stability import AGREEING_LOOKS, SURE_LOG_PROB
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.words import Span

SECOND = SAMPLE_RATE
SURE = -0.01
UNSURE = 2 * SURE_LOG_PROB
UNLIKELY = MEAN_LOG_PROB_MIN - 1


class Driven:
    """A policy with one segment after the other, each voiced throughout."""

    def __init__(self, *, max_tokens_per_s: float = 50.0, **options: object) -> None:
        made = SessionOptions(**{"hop_ms": 1_000, **options})  # type: ignore[arg-type]
        self.policy = Seq2SeqPolicy(made, WordTable(), max_tokens_per_s=max_tokens_per_s)
        self.segment = -1
        self.start_at = 0

    def open(self, at: int = 0) -> None:
        self.segment += 1
        self.start_at = at
        self.policy.open(self.segment, at, at)

    def look(self, at: int) -> Look:
        """The look of a hop that is due at ``at``."""
        look = self.policy.look_at_hop(at)
        assert look is not None, f"no look is due at {at}"
        return look

    def pause(self, at: int) -> Look:
        """The look at a soft pause, where somebody spoke until just now."""
        look = self.policy.look_at_pause(at, at)
        assert look is not None
        return look

    def answer(self, look: Look, *tokens: int, log_prob: float = SURE) -> list[Event]:
        result = StepResult(tokens, tuple(log_prob for _ in tokens), ended=True)
        return self.policy.done(look, result, [Span(self.start_at, look.end_at)])

    def close(self, at: int) -> Final:
        return self.policy.close(at, [Span(self.start_at, at)])

    def agree(self, *tokens: int) -> list[Event]:
        """As many looks with the same words as it takes to commit all of them but the last."""
        events: list[Event] = []
        known = 0
        for hop in range(AGREEING_LOOKS):
            look = self.look(self.start_at + (hop + 1) * SECOND)
            known = len(look.forced)
            events = self.answer(look, *tokens[known:])
        return events


def opened(*, max_tokens_per_s: float = 50.0, **options: object) -> Driven:
    driven = Driven(max_tokens_per_s=max_tokens_per_s, **options)
    driven.open()
    return driven


def text_of(events: list[Event]) -> str | None:
    partials = [event for event in events if isinstance(event, Partial)]
    return partials[-1].text if partials else None


# --- when to look


def test_no_look_is_due_before_the_first_hop() -> None:
    assert opened().policy.look_at_hop(SECOND - 1) is None


def test_a_look_is_due_at_the_first_hop() -> None:
    assert opened().look(SECOND).purpose is Purpose.PARTIAL


def test_the_first_hops_are_half_as_long() -> None:
    driven = opened()
    driven.look(SECOND)
    assert driven.policy.look_at_hop(3 * SECOND // 2 - 1) is None
    assert driven.policy.look_at_hop(3 * SECOND // 2) is not None


def test_later_hops_are_whole() -> None:
    driven = opened()
    driven.look(STEADY_LEN)
    assert driven.policy.look_at_hop(STEADY_LEN + SECOND - 1) is None
    assert driven.policy.look_at_hop(STEADY_LEN + SECOND) is not None


@pytest.mark.parametrize(
    ("window_len", "hops"),
    [(STEADY_LEN * 3 // 2, 1.5), (STEADY_LEN * 2, 2), (STEADY_LEN * 3, LONGEST_HOPS)],
)
def test_a_longer_window_is_looked_at_less_often(window_len: int, hops: float) -> None:
    driven = opened()
    driven.look(window_len)
    next_at = window_len + round(hops * SECOND)
    assert driven.policy.look_at_hop(next_at - 1) is None
    assert driven.policy.look_at_hop(next_at) is not None


def test_a_pause_is_looked_at_where_something_was_said_since_the_last_look() -> None:
    driven = opened()
    driven.answer(driven.look(2 * SECOND), 1, 2)
    look = driven.policy.look_at_pause(3 * SECOND, 2 * SECOND + 1)
    assert look is not None
    assert look.purpose is Purpose.PAUSE


def test_a_pause_is_not_looked_at_where_everything_was_heard() -> None:
    driven = opened()
    driven.answer(driven.look(2 * SECOND), 1, 2)
    assert driven.policy.look_at_pause(3 * SECOND, 2 * SECOND) is None


def test_the_first_hop_after_a_pause_is_whole() -> None:
    driven = opened()
    driven.look(2 * SECOND)
    driven.answer(driven.pause(9 * SECOND // 4), 1, 2)
    assert driven.policy.look_at_hop(13 * SECOND // 4 - 1) is None
    assert driven.policy.look_at_hop(13 * SECOND // 4) is not None


def test_no_hop_is_looked_at_without_partials() -> None:
    assert opened(partials=False).policy.look_at_hop(5 * SECOND) is None


def test_a_cut_is_due_when_the_window_has_no_room_for_another_hop() -> None:
    driven = opened(window_ms=10_000)
    assert not driven.policy.must_cut(9 * SECOND - 1)
    assert driven.policy.must_cut(9 * SECOND)


def test_after_a_cut_there_is_room_again() -> None:
    driven = opened(window_ms=10_000)
    driven.answer(driven.policy.look_at_cut(8 * SECOND), 1, 2)
    assert not driven.policy.must_cut(9 * SECOND)


def test_silence_that_was_looked_at_ahead_needs_no_look_at_the_end() -> None:
    driven = opened()
    driven.answer(driven.policy.look_ahead(3 * SECOND, 2 * SECOND), 1, 2)
    assert driven.policy.look_at_end(Rule.SILENCE, 4 * SECOND, 2 * SECOND) is None


@pytest.mark.parametrize("rule", [Rule.MAX_LENGTH, Rule.FLUSH, Rule.END_OF_AUDIO])
def test_a_segment_closed_by_another_rule_needs_a_look_at_the_end(rule: Rule) -> None:
    driven = opened()
    driven.answer(driven.policy.look_ahead(3 * SECOND, 2 * SECOND), 1, 2)
    assert driven.policy.look_at_end(rule, 4 * SECOND, 2 * SECOND) is not None


def test_what_was_said_after_the_look_ahead_needs_a_look_at_the_end() -> None:
    driven = opened()
    driven.answer(driven.policy.look_ahead(3 * SECOND, 2 * SECOND), 1, 2)
    look = driven.policy.look_at_end(Rule.SILENCE, 5 * SECOND, 4 * SECOND)
    assert look is not None
    assert look.purpose is Purpose.FINAL


def test_a_pauses_look_does_not_answer_for_the_final() -> None:
    driven = opened()
    driven.answer(driven.pause(3 * SECOND), 1, 2)
    assert driven.policy.look_at_end(Rule.SILENCE, 4 * SECOND, 2 * SECOND) is not None


def test_silence_of_one_segment_does_not_answer_for_the_next() -> None:
    driven = opened()
    driven.answer(driven.policy.look_ahead(3 * SECOND, 2 * SECOND), 1, 2)
    driven.close(4 * SECOND)
    driven.open(4 * SECOND)
    assert driven.policy.look_at_end(Rule.SILENCE, 5 * SECOND, 2 * SECOND) is not None


def test_only_the_look_at_the_end_is_a_final_step() -> None:
    driven = opened()
    kinds = [
        driven.look(SECOND).kind,
        driven.pause(2 * SECOND).kind,
        driven.policy.look_ahead(3 * SECOND, SECOND).kind,
        driven.policy.look_at_cut(3 * SECOND).kind,
    ]
    end = driven.policy.look_at_end(Rule.SILENCE, 4 * SECOND, 4 * SECOND)
    assert end is not None
    assert [*kinds, end.kind] == [StepKind.PARTIAL] * 4 + [StepKind.FINAL]


# --- from where, from which text


def test_a_look_begins_with_the_segment() -> None:
    driven = Driven()
    driven.open(5 * SECOND)
    look = driven.look(7 * SECOND)
    assert (look.start_at, look.end_at) == (5 * SECOND, 7 * SECOND)


def test_committed_words_are_forced() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    assert driven.look(9 * SECOND).forced == (1, 2)


def test_what_is_not_committed_is_the_draft() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    assert driven.look(9 * SECOND).draft == (3,)


def test_nothing_is_forced_when_nothing_is_promised() -> None:
    driven = opened(commit=Commit.FINAL)
    driven.agree(1, 2, 3)
    assert driven.look(9 * SECOND).forced == ()


def test_after_a_cut_the_window_begins_there_once_it_is_full() -> None:
    driven = opened(window_ms=10_000)
    driven.answer(driven.policy.look_at_cut(8 * SECOND), 1, 2)
    assert driven.look(11 * SECOND).start_at == 8 * SECOND
    assert driven.policy.look_at_cut(17 * SECOND).forced == ()


def test_a_partial_looks_at_less_than_the_window_where_a_mark_allows() -> None:
    driven = opened(window_ms=15_000)
    driven.answer(driven.policy.look_at_cut(4 * SECOND), 1, 2)
    at = PARTIAL_WINDOW_LEN + 1
    assert driven.look(at).start_at == 4 * SECOND
    assert driven.policy.look_ahead(at, at).start_at == 0


def test_a_segment_that_follows_soon_carries_audio_and_text_over() -> None:
    driven = opened()
    driven.answer(driven.pause(2 * SECOND), 1, 2, PERIOD)
    driven.close(3 * SECOND)
    driven.open(3 * SECOND + CONTEXT_GAP_LEN)
    look = driven.policy.look_ahead(4 * SECOND + CONTEXT_GAP_LEN, 0)
    assert (look.start_at, look.forced) == (0, (1, 2, PERIOD))


def test_after_a_long_silence_nothing_is_carried_over() -> None:
    driven = opened()
    driven.answer(driven.pause(2 * SECOND), 1, 2, PERIOD)
    driven.close(3 * SECOND)
    start_at = 3 * SECOND + CONTEXT_GAP_LEN + 1
    driven.open(start_at)
    look = driven.pause(start_at + SECOND)
    assert (look.start_at, look.forced) == (start_at, ())


def test_carried_text_is_not_shown_again() -> None:
    driven = opened()
    driven.answer(driven.pause(2 * SECOND), 1, 2, PERIOD)
    driven.close(3 * SECOND)
    driven.open(3 * SECOND)
    assert text_of(driven.answer(driven.look(5 * SECOND), 3)) == "w3"


def test_a_window_never_begins_before_what_is_said_to_be_needed() -> None:
    driven = opened(window_ms=10_000)
    driven.answer(driven.policy.look_at_cut(8 * SECOND), 1, 2)
    needed_at = driven.policy.oldest_needed_at(12 * SECOND)
    assert driven.policy.look_ahead(12 * SECOND, 12 * SECOND).start_at >= needed_at


# --- what is shown and promised


def test_the_first_hypothesis_is_shown_and_nothing_of_it_promised() -> None:
    driven = opened()
    (partial,) = driven.answer(driven.look(SECOND), 1, 2)
    assert isinstance(partial, Partial)
    assert (partial.text, partial.committed) == ("w1 w2", 0)


def test_words_that_stand_are_promised_but_for_the_last() -> None:
    driven = opened()
    partial = driven.agree(1, 2, 3)[-1]
    assert isinstance(partial, Partial)
    assert partial.text[: partial.committed] == "w1 w2"


def test_a_partial_says_up_to_where_it_heard() -> None:
    driven = opened()
    (partial,) = driven.answer(driven.look(3 * SECOND), 1)
    assert isinstance(partial, Partial)
    assert partial.at == 3 * SECOND


def test_the_same_text_is_not_shown_twice() -> None:
    driven = opened()
    driven.answer(driven.look(SECOND), 1, 2)
    assert driven.answer(driven.look(2 * SECOND), 1, 2) == []


def look_at_end(driven: Driven) -> Look:
    look = driven.policy.look_at_end(Rule.SILENCE, 9 * SECOND, 9 * SECOND)
    assert look is not None
    return look


def test_the_final_is_decoded_freely_and_kept_if_it_begins_with_what_was_promised() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    look = look_at_end(driven)
    assert (look.forced, look.promised) == ((), (1, 2))
    driven.answer(look, 1, 2, 7, 8)
    assert driven.policy.look_again() is None
    assert driven.close(9 * SECOND).text == "w1 w2 w7 w8"


def test_a_final_that_breaks_a_promise_is_decoded_again_with_the_promise_forced() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    driven.answer(look_at_end(driven), 1, 9, 7)
    again = driven.policy.look_again()
    assert again is not None
    assert (again.purpose, again.forced, again.promised) == (Purpose.FINAL, (1, 2), ())
    driven.answer(again, 7, 8)
    assert driven.close(9 * SECOND).text == "w1 w2 w7 w8"


def test_a_look_is_taken_again_only_once() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    driven.answer(look_at_end(driven), 1, 9, 7)
    assert driven.policy.look_again() is not None
    assert driven.policy.look_again() is None


def test_a_doubtful_final_is_heard_again_behind_a_little_silence() -> None:
    driven = opened()
    look = look_at_end(driven)
    assert driven.answer(look, 1, 2, log_prob=UNSURE) == []
    again = driven.policy.look_again()
    assert again is not None
    assert (again.lead_len, again.draft) == (LEAD_LEN, (1, 2))
    assert (again.start_at, again.end_at) == (look.start_at, look.end_at)


@pytest.mark.parametrize(("second", "text"), [(UNSURE / 2, "w1 w3"), (UNSURE * 2, "w1 w2")])
def test_of_two_hearings_the_likelier_counts(second: float, text: str) -> None:
    driven = opened()
    driven.answer(look_at_end(driven), 1, 2, log_prob=UNSURE)
    again = driven.policy.look_again()
    assert again is not None
    driven.answer(again, 1, 3, log_prob=second)
    assert driven.policy.look_again() is None
    assert driven.close(9 * SECOND).text == text


def test_of_two_hearings_one_that_says_nothing_does_not_count() -> None:
    driven = opened()
    driven.answer(look_at_end(driven), 1, 2, log_prob=UNSURE)
    again = driven.policy.look_again()
    assert again is not None
    driven.answer(again)
    assert driven.close(9 * SECOND).text == "w1 w2"


def test_of_two_hearings_one_that_breaks_a_promise_does_not_count() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    driven.answer(look_at_end(driven), 1, 2, 7, log_prob=UNSURE)
    again = driven.policy.look_again()
    assert again is not None
    driven.answer(again, 1, 9, 8, log_prob=SURE)
    assert driven.close(9 * SECOND).text == "w1 w2 w7"


def test_a_sure_final_is_heard_once() -> None:
    driven = opened()
    driven.answer(look_at_end(driven), 1, 2, log_prob=SURE)
    assert driven.policy.look_again() is None


def test_a_doubtful_partial_is_heard_once() -> None:
    driven = opened()
    driven.answer(driven.look(2 * SECOND), 1, 2, log_prob=UNSURE)
    assert driven.policy.look_again() is None


def test_a_very_short_final_is_heard_once() -> None:
    driven = opened()
    end_at = SHORTEST_FRAMED_LEN - 1
    look = driven.policy.look_at_end(Rule.FLUSH, end_at, end_at)
    assert look is not None
    driven.answer(look, 1, 2, log_prob=UNSURE)
    assert driven.policy.look_again() is None


def test_with_nothing_promised_the_final_may_say_something_else() -> None:
    driven = opened(commit=Commit.FINAL)
    driven.agree(1, 2, 3)
    look = driven.policy.look_at_end(Rule.SILENCE, 9 * SECOND, 9 * SECOND)
    assert look is not None
    driven.answer(look, 7, 8)
    assert driven.close(9 * SECOND).text == "w7 w8"


def test_a_final_spans_its_segment() -> None:
    driven = Driven()
    driven.open(5 * SECOND)
    final = driven.close(9 * SECOND)
    assert (final.start_at, final.end_at) == (5 * SECOND, 9 * SECOND)


# --- guards


def test_unlikely_text_is_not_shown() -> None:
    driven = opened()
    assert driven.answer(driven.look(SECOND), 1, 2, log_prob=UNLIKELY) == []


def test_unlikely_text_does_not_reach_the_final() -> None:
    driven = opened()
    driven.answer(driven.pause(SECOND), 1, 2, log_prob=UNLIKELY)
    assert driven.close(2 * SECOND).text == ""


def test_unlikely_text_does_not_take_committed_text_with_it() -> None:
    driven = opened()
    driven.agree(1, 2, 3)
    driven.answer(driven.look(9 * SECOND), 7, 8, log_prob=UNLIKELY)
    assert driven.close(9 * SECOND).text == "w1 w2"


def test_unlikely_text_is_shown_once_it_has_become_likely() -> None:
    driven = opened()
    driven.answer(driven.look(SECOND), 1, 2, log_prob=UNLIKELY)
    assert text_of(driven.answer(driven.look(2 * SECOND), 1, 2)) == "w1 w2"


def test_a_loop_is_cut_to_its_first_saying() -> None:
    driven = opened()
    loop = (5, 6) * LOOP_TOKENS_MIN
    assert text_of(driven.answer(driven.look(SECOND), 1, *loop)) == "w1 w5 w6"


def test_a_loop_that_begins_in_committed_text_adds_nothing_to_it() -> None:
    driven = opened()
    driven.agree(5, 6, 5, 6, 5, 6, 5)
    driven.answer(driven.look(9 * SECOND), *((5, 6) * LOOP_TOKENS_MIN))
    assert driven.close(9 * SECOND).text == "w5 w6 w5 w6 w5 w6"


@pytest.mark.parametrize("seconds", [4, 6])
def test_a_step_may_have_as_many_tokens_as_its_audio_can_hold(seconds: int) -> None:
    driven = opened(max_tokens_per_s=3.0)
    assert driven.look(seconds * SECOND).max_new_tokens == 3 * seconds


def test_forced_tokens_count_towards_the_cap() -> None:
    driven = opened(max_tokens_per_s=3.0)
    driven.agree(1, 2, 3)
    assert driven.look(7 * SECOND).max_new_tokens == 3 * 7 - 2


def test_a_cap_that_forced_tokens_have_used_up_still_leaves_a_word() -> None:
    driven = opened(max_tokens_per_s=0.1)
    driven.agree(*range(1, 12))
    assert driven.look(7 * SECOND).max_new_tokens > 0


def test_words_carry_times_inside_their_segment() -> None:
    driven = Driven()
    driven.open(5 * SECOND)
    driven.answer(driven.look(7 * SECOND), 1, 2)
    words = driven.close(8 * SECOND).words
    assert words[0].start_at >= 5 * SECOND
    assert words[-1].end_at <= ms_to_len(8_000)
