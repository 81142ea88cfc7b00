"""What consecutive hypotheses must agree on before it is promised."""

import pytest

from fakes import LetterTable, WordTable
from streamscribe.stability import (
    AGREEING_LOOKS,
    PATIENT_LOOKS,
    SURE_LOG_PROB,
    ages_of,
    stable_len,
    starts_word,
    word_starts,
)

LETTERS = LetterTable()


def spelled(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_every_token_of_a_first_hypothesis_is_one_look_old() -> None:
    assert ages_of((), (), (1, 2, 3)) == [1, 1, 1]


def test_a_token_that_stands_grows_older() -> None:
    assert ages_of((1, 2), (4, 3), (1, 2, 3)) == [5, 4, 1]


def test_what_follows_a_changed_token_is_new_even_if_it_stands() -> None:
    assert ages_of((1, 2, 3), (4, 4, 4), (1, 9, 3)) == [5, 1, 1]


def test_a_hypothesis_may_grow_shorter() -> None:
    assert ages_of((1, 2, 3), (4, 4, 4), (1,)) == [5]


def test_of_sure_and_old_words_all_but_the_last_are_stable() -> None:
    old = [AGREEING_LOOKS] * 3
    assert stable_len((1, 2, 3), [SURE_LOG_PROB] * 3, old, WordTable()) == 2


def test_one_word_alone_is_never_stable() -> None:
    assert stable_len((1,), [0.0], [PATIENT_LOOKS], WordTable()) == 0


def test_no_text_is_stable() -> None:
    assert stable_len((), (), (), WordTable()) == 0


def test_younger_words_are_not_stable() -> None:
    young = [AGREEING_LOOKS - 1] * 3
    assert stable_len((1, 2, 3), [0.0] * 3, young, WordTable()) == 0


def test_a_word_that_the_model_is_unsure_of_holds_up_what_follows() -> None:
    log_probs = [0.0, SURE_LOG_PROB - 0.01, 0.0, 0.0]
    old = [AGREEING_LOOKS] * 4
    assert stable_len((1, 2, 3, 4), log_probs, old, WordTable()) == 0


def test_patience_makes_up_for_doubt() -> None:
    log_probs = [SURE_LOG_PROB - 5] * 3
    assert stable_len((1, 2, 3), log_probs, [PATIENT_LOOKS] * 3, WordTable()) == 2


@pytest.mark.parametrize(
    ("text", "stable", "promised"),
    [
        (" ab cd ef", 0, ""),
        (" ab cd ef", 3, ""),  # "ab" is whole, but nothing confirms it
        (" ab cd ef", 5, ""),  # half of the next word is not enough
        (" ab cd ef", 6, " ab"),
        (" ab cd ef", 9, " ab cd"),
        (" ab, cd ef", 3, ""),  # its comma is not settled
        (" ab, cd ef", 7, " ab,"),
    ],
)
def test_whole_words_are_promised_up_to_the_last_that_is_confirmed(
    text: str, stable: int, promised: str
) -> None:
    ages = [AGREEING_LOOKS] * stable + [1] * (len(text) - stable)
    got = stable_len(spelled(text), [0.0] * len(text), ages, LETTERS)
    assert text[:got] == promised


def test_words_start_at_their_spaces_and_at_the_beginning() -> None:
    assert word_starts(spelled("ab cd"), LETTERS) == [0, 2]


def test_a_space_at_the_beginning_starts_one_word() -> None:
    assert word_starts(spelled(" ab"), LETTERS) == [0]


def test_no_tokens_start_no_word() -> None:
    assert word_starts((), LETTERS) == []


def test_punctuation_starts_no_word() -> None:
    assert not starts_word(ord("."), LETTERS)
