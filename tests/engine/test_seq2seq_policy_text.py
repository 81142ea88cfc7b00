"""What becomes of a look's result: what is shown, promised, heard again or taken away."""

import numpy as np
import pytest

from fakes_policy import SECOND, SURE, UNLIKELY, UNSURE, Driven, look_at_end, opened, text_of
from streamscribe.encoder_decoder import LEAD_LEN
from streamscribe.events import Partial, Rule
from streamscribe.guards import LOOP_TOKENS_MIN
from streamscribe.model import DecodeResult
from streamscribe.options import Commit
from streamscribe.seq2seq_look import (
    SHORTEST_FRAMED_LEN,
    Look,
    Purpose,
)
from streamscribe.timeline import ms_to_len
from streamscribe.words import Span

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


def test_a_final_says_the_language_that_was_detected_and_so_does_the_next() -> None:
    driven = opened()
    heard = DecodeResult((1, 2), (SURE, SURE), ended=True, language="de")
    driven.policy.done(look_at_end(driven), heard, [Span(0, 9 * SECOND)])
    assert driven.close(9 * SECOND).language == "de"
    driven.open(10 * SECOND)
    assert driven.close(11 * SECOND).language == "de"


def test_a_language_that_was_detected_on_too_little_is_not_told() -> None:
    driven = opened()
    heard = DecodeResult((1,), (SURE,), ended=True, language="de")
    driven.policy.done(driven.look(SECOND), heard, [Span(0, SECOND)])
    assert driven.close(SECOND).language is None


def second_segment(*, hears_alone: bool) -> tuple[Driven, Look]:
    """The first look at a segment that follows soon on "w1"."""
    driven = Driven(hears_alone=hears_alone)
    driven.open()
    driven.answer(look_at_end(driven), 1)
    driven.close(2 * SECOND)
    driven.open(2 * SECOND)
    look = driven.look(3 * SECOND)
    assert (look.start_at, look.forced) == (0, (1,))
    return driven, look


def test_a_segment_without_a_word_behind_earlier_text_is_heard_alone() -> None:
    driven, look = second_segment(hears_alone=True)
    assert driven.answer(look) == []
    again = driven.policy.look_again()
    assert isinstance(again, Look)
    assert (again.start_at, again.end_at, again.forced) == (2 * SECOND, 3 * SECOND, ())
    assert text_of(driven.answer(again, 2)) == "w2"
    assert driven.policy.look_again() is None
    assert driven.look(4 * SECOND).start_at == 2 * SECOND


def test_a_segment_that_has_words_is_heard_behind_earlier_text() -> None:
    driven, look = second_segment(hears_alone=True)
    assert text_of(driven.answer(look, 2)) == "w2"
    assert driven.policy.look_again() is None
    assert driven.look(4 * SECOND).start_at == 0


def test_a_model_that_earlier_text_does_not_mislead_is_not_asked_again() -> None:
    driven, look = second_segment(hears_alone=False)
    driven.answer(look)
    assert driven.policy.look_again() is None


def language_wanted(driven: Driven, look: Look) -> str | None:
    return driven.policy.step(look, np.zeros(look.end_at, np.float32), 0).wish.language


def test_a_language_stays_once_enough_was_heard_and_words_were_found() -> None:
    driven = opened()
    driven.answer(driven.look(1 * SECOND), 1, language="de")
    assert language_wanted(driven, driven.look(3 * SECOND)) is None
    driven.answer(driven.look(4 * SECOND), language="fr")
    assert language_wanted(driven, look := driven.look(6 * SECOND)) is None
    driven.answer(look, 1, language="de")
    assert language_wanted(driven, driven.look(8 * SECOND)) == "de"
    driven.answer(look_at_end(driven), 1)
    assert driven.close(9 * SECOND).language == "de"
