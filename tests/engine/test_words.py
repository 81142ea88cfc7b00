"""Tokens to words: text, confidence, and times."""

import math

import pytest

from fakes import PERIOD, LetterTable, WordTable
from streamscribe.events import Timing
from streamscribe.words import (
    Span,
    Spelled,
    estimate_times,
    join,
    spell,
    without_end_punctuation,
)


class ByteTable:
    """Token ``n`` is the byte ``n``."""

    def __len__(self) -> int:
        return 256

    def token_bytes(self, token: int) -> bytes:
        return bytes([token])


def spelled(text: str) -> list[str]:
    tokens = [ord(letter) for letter in text]
    return [word.text for word in spell(tokens, [0.0] * len(tokens), LetterTable())]


def said(*texts: str) -> list[Spelled]:
    return [Spelled(text, 1.0, at, at) for at, text in enumerate(texts)]


def test_tokens_make_words() -> None:
    assert spelled(" and so, my") == ["and", "so,", "my"]


def test_a_segment_does_not_begin_with_what_ended_the_last() -> None:
    assert spelled(". , And so") == ["And", "so"]


def test_punctuation_inside_is_kept() -> None:
    assert spelled("so, - well") == ["so,", "-", "well"]


def test_no_tokens_make_no_words() -> None:
    assert spelled("") == []


def test_an_incomplete_character_at_the_end_is_left_out() -> None:
    data = " caf\u00e9".encode()[:-1]
    words = spell(list(data), [0.0] * len(data), ByteTable())
    assert [word.text for word in words] == ["caf"]


def test_a_characters_bytes_may_come_from_several_tokens() -> None:
    data = " caf\u00e9 noir".encode()
    words = spell(list(data), [0.0] * len(data), ByteTable())
    assert [word.text for word in words] == ["caf\u00e9", "noir"]


def test_confidence_is_the_geometric_mean_of_the_tokens() -> None:
    (word,) = spell([ord("a"), ord("b")], [math.log(0.5), math.log(0.125)], LetterTable())
    assert word.confidence == pytest.approx(0.25)


def test_rounding_never_makes_a_confidence_above_one() -> None:
    (word,) = spell([ord("a")], [1e-6], LetterTable())
    assert word.confidence == 1.0


def test_every_word_has_its_own_confidence() -> None:
    first, second = spell([1, 2], [0.0, math.log(0.5)], WordTable())
    assert first.confidence == 1.0
    assert second.confidence == pytest.approx(0.5)


def test_the_text_is_the_words_with_single_spaces() -> None:
    assert join(said("and", "so")) == "and so"


def test_end_punctuation_is_counted_off() -> None:
    assert without_end_punctuation([1, 2, PERIOD, PERIOD], WordTable()) == 2


def test_punctuation_inside_is_not_counted_off() -> None:
    assert without_end_punctuation([1, PERIOD, 2], WordTable()) == 3


def test_punctuation_alone_leaves_nothing() -> None:
    assert without_end_punctuation([PERIOD], WordTable()) == 0


def times(
    words: list[Spelled], seen_at: list[int], voiced: list[Span], start_at: int, end_at: int
) -> list[tuple[int, int]]:
    timed = estimate_times(words, seen_at, voiced, start_at, end_at)
    assert [word.text for word in timed] == [word.text for word in words]
    return [(word.start_at, word.end_at) for word in timed]


def test_estimated_times_say_that_they_are() -> None:
    (word,) = estimate_times(said("a"), [10], [Span(0, 10)], 0, 10)
    assert word.timing is Timing.ESTIMATED


def test_words_seen_together_share_the_voiced_audio_by_their_lengths() -> None:
    voiced = [Span(1_000, 5_000)]
    assert times(said("a", "bcd"), [5_000, 5_000], voiced, 1_000, 6_000) == [
        (1_000, 2_000),
        (2_000, 5_000),
    ]


def test_a_word_seen_later_was_spoken_after_the_earlier_look() -> None:
    voiced = [Span(0, 4_000)]
    assert times(said("a", "b"), [1_000, 4_000], voiced, 0, 4_000) == [(0, 1_000), (1_000, 4_000)]


def test_no_word_is_spoken_in_a_pause() -> None:
    voiced = [Span(0, 1_000), Span(5_000, 6_000)]
    assert times(said("a", "b"), [2_000, 6_000], voiced, 0, 6_000) == [(0, 1_000), (5_000, 6_000)]


def test_a_word_without_voiced_audio_of_its_own_takes_the_span_it_was_seen_in() -> None:
    voiced = [Span(0, 1_000)]
    assert times(said("a", "b"), [1_000, 3_000], voiced, 0, 3_000) == [(0, 1_000), (1_000, 3_000)]


def test_times_never_pass_the_end() -> None:
    voiced = [Span(0, 9_000)]
    assert times(said("a", "b"), [5_000, 9_000], voiced, 0, 6_000)[-1] == (5_000, 6_000)


def test_no_words_have_no_times() -> None:
    assert times([], [], [Span(0, 10)], 0, 10) == []
