"""What may be dropped, and what must not be."""

import pytest

from streamscribe.guards import (
    LOOP_PERIOD_MAX,
    LOOP_REPEATS_MIN,
    LOOP_TOKENS_MIN,
    NOT_SPEECH,
    SHORTEST_CAP,
    VOICED_TOKENS_BASE,
    Doubt,
    is_speech,
    loop_start,
    rewind_start,
    speakable,
    token_cap,
)
from streamscribe.timeline import SAMPLE_RATE

DOUBT = Doubt()


def test_the_cap_grows_with_the_audio() -> None:
    assert token_cap(10 * SAMPLE_RATE, 6.5) == 65


def test_a_part_of_a_token_counts_as_one() -> None:
    assert token_cap(10 * SAMPLE_RATE + 1, 6.5) == 66


@pytest.mark.parametrize("audio_len", [0, 1, 480])
def test_any_audio_may_have_a_word_or_two(audio_len: int) -> None:
    assert token_cap(audio_len, 6.5) == SHORTEST_CAP


def test_text_without_a_loop_is_kept_whole() -> None:
    assert loop_start(range(100)) == 100


def test_no_text_has_no_loop() -> None:
    assert loop_start(()) == 0


@pytest.mark.parametrize("period", range(1, LOOP_PERIOD_MAX + 1))
def test_of_a_loop_the_first_saying_is_kept(period: int) -> None:
    phrase = list(range(50, 50 + period))
    repeats = max(LOOP_REPEATS_MIN, -(-LOOP_TOKENS_MIN // period))
    assert loop_start([7, 8, *(phrase * repeats)]) == 2 + period


def test_a_loop_that_ends_inside_the_phrase_is_still_one() -> None:
    assert loop_start([1, 2, 3, *([5, 6, 7] * 6), 5, 6]) == 6


def test_people_do_say_things_a_few_times() -> None:
    said = [5, 6] * (LOOP_REPEATS_MIN - 1)
    assert loop_start(said) == len(said)


def test_a_phrase_too_long_for_a_loop_may_come_again() -> None:
    said = list(range(LOOP_PERIOD_MAX + 1)) * LOOP_REPEATS_MIN
    assert loop_start(said) == len(said)


def test_a_loop_that_is_over_is_left_alone() -> None:
    said = [5] * LOOP_TOKENS_MIN + [1, 2, 3]
    assert loop_start(said) == len(said)


def test_no_text_is_likely() -> None:
    assert DOUBT.believes((), begins=True)


def test_text_at_the_threshold_is_likely() -> None:
    assert DOUBT.believes((DOUBT.mean_log_prob, DOUBT.mean_log_prob), begins=True)


def test_the_mean_decides_not_the_worst_token() -> None:
    assert DOUBT.believes((10 * DOUBT.mean_log_prob, *([0.0] * 30)), begins=False)


def test_text_below_the_threshold_is_not_likely() -> None:
    assert not DOUBT.believes((DOUBT.mean_log_prob - 0.01,), begins=False)


def test_text_that_begins_unlikely_must_go_on_sure() -> None:
    doubtful = (DOUBT.first_log_prob - 0.1, DOUBT.mean_log_prob_then + 0.2)
    assert not DOUBT.believes(doubtful, begins=True)
    assert DOUBT.believes(doubtful, begins=False) is (sum(doubtful) / 2 >= DOUBT.mean_log_prob)
    assert DOUBT.believes((DOUBT.first_log_prob - 0.1, *([0.0] * 20)), begins=True)


def test_as_many_tokens_as_were_ever_spoken_so_fast_are_speakable() -> None:
    assert speakable(VOICED_TOKENS_BASE, 0, 6.5)
    assert not speakable(VOICED_TOKENS_BASE + 1, 0, 6.5)
    assert speakable(VOICED_TOKENS_BASE + 6, SAMPLE_RATE, 6.5)
    assert not speakable(VOICED_TOKENS_BASE + 8, SAMPLE_RATE, 6.5)


@pytest.mark.parametrize("sign", NOT_SPEECH)
def test_a_sign_for_music_or_credits_is_not_speech(sign: str) -> None:
    assert not is_speech(f"la {sign} la")


def test_words_are_speech() -> None:
    assert is_speech("Ask not, caf\u00e9 5 %.")


def test_text_that_follows_the_audio_is_kept_whole() -> None:
    assert rewind_start([0, 4_000, 3_000, 9_000]) == 4


def test_what_is_said_again_is_dropped() -> None:
    said = [0, 8_000, 24_000, 25_000]
    assert rewind_start(said + said) == 4


def test_one_token_that_rests_on_earlier_audio_proves_nothing() -> None:
    assert rewind_start([0, 16_000, 1_000, 17_000, 18_000]) == 5


def test_one_token_that_rests_on_later_audio_proves_nothing() -> None:
    assert rewind_start([0, 1_000, 60_000, 2_000, 3_000]) == 5


def test_text_before_counts() -> None:
    assert rewind_start([20_000, 21_000, 1_000, 2_000], 2) == 2
    assert rewind_start([20_000, 20_000, 1_000, 2_000, 21_000], 4) == 5
