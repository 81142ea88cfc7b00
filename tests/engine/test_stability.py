"""How long tokens have stood, and where words begin."""

from fakes import LetterTable
from streamscribe.stability import ages_of, starts_word, word_starts

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


def test_words_start_at_their_spaces_and_at_the_beginning() -> None:
    assert word_starts(spelled("ab cd"), LETTERS) == [0, 2]


def test_a_space_at_the_beginning_starts_one_word() -> None:
    assert word_starts(spelled(" ab"), LETTERS) == [0]


def test_no_tokens_start_no_word() -> None:
    assert word_starts((), LETTERS) == []


def test_punctuation_starts_no_word() -> None:
    assert not starts_word(ord("."), LETTERS)
