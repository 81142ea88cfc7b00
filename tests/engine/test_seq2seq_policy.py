"""When a look is due, which audio it takes and from which text it goes on."""

import pytest

from fakes import PERIOD
from fakes_policy import SECOND, Driven, opened, text_of
from streamscribe.events import Rule
from streamscribe.model import StepKind
from streamscribe.options import Commit
from streamscribe.seq2seq_look import Purpose
from streamscribe.seq2seq_policy import (
    CONTEXT_GAP_LEN,
    LONGEST_HOPS,
    PARTIAL_WINDOW_LEN,
    STEADY_LEN,
)

# --- when to look


def test_no_look_is_due_before_the_first_hop() -> None:
    assert opened().policy.look_at_hop(SECOND - 1, talking=True) is None


def test_a_look_is_due_at_the_first_hop() -> None:
    assert opened().look(SECOND).purpose is Purpose.PARTIAL


def test_the_first_hops_are_half_as_long() -> None:
    driven = opened()
    driven.look(SECOND)
    assert driven.policy.look_at_hop(3 * SECOND // 2 - 1, talking=True) is None
    assert driven.policy.look_at_hop(3 * SECOND // 2, talking=True) is not None


def test_later_hops_are_whole() -> None:
    driven = opened()
    driven.look(STEADY_LEN)
    assert driven.policy.look_at_hop(STEADY_LEN + SECOND - 1, talking=True) is None
    assert driven.policy.look_at_hop(STEADY_LEN + SECOND, talking=True) is not None


@pytest.mark.parametrize(
    ("window_len", "hops"),
    [(STEADY_LEN * 3 // 2, 1.5), (STEADY_LEN * 2, 2), (STEADY_LEN * 3, LONGEST_HOPS)],
)
def test_a_longer_window_is_looked_at_less_often(window_len: int, hops: float) -> None:
    driven = opened()
    driven.look(window_len)
    next_at = window_len + round(hops * SECOND)
    assert driven.policy.look_at_hop(next_at - 1, talking=True) is None
    assert driven.policy.look_at_hop(next_at, talking=True) is not None


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
    assert driven.policy.look_at_hop(13 * SECOND // 4 - 1, talking=True) is None
    assert driven.policy.look_at_hop(13 * SECOND // 4, talking=True) is not None


def test_no_hop_is_looked_at_without_partials() -> None:
    assert opened(partials=False).policy.look_at_hop(5 * SECOND, talking=True) is None


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


def test_looks_that_decide_are_final_steps() -> None:
    driven = opened()
    kinds = [
        driven.look(SECOND).kind,
        driven.pause(2 * SECOND).kind,
        driven.policy.look_ahead(3 * SECOND, SECOND).kind,
        driven.policy.look_at_cut(3 * SECOND).kind,
    ]
    end = driven.policy.look_at_end(Rule.SILENCE, 4 * SECOND, 4 * SECOND)
    assert end is not None
    assert [*kinds, end.kind] == [StepKind.PARTIAL] * 2 + [StepKind.FINAL] * 3


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
    needed_at = driven.policy.oldest_needed_at(12 * SECOND, 12 * SECOND)
    assert driven.policy.look_ahead(12 * SECOND, 12 * SECOND).start_at >= needed_at
