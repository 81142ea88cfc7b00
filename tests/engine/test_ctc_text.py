"""Spikes to words: text, times and confidence."""

import math

import pytest

from streamscribe.ctc import Spike
from streamscribe.ctc_text import FrameGrid, settled_words, spell_spikes
from streamscribe.events import Timing
from streamscribe.families import FrontEnd
from streamscribe.tokens import PieceTable

CHARACTERS = PieceTable([b"", b" ", b"a", b"b", b"c"])
BLANK, SPACE, A, B, C = range(5)
PIECES = PieceTable([b"", b" ab", b"c", b" a", b"\xc3", b"\xa9"])
GRID = FrameGrid(16_000, FrontEnd(receptive_field_len=400, stride_len=320))
END_AT = 160_000


def spike(token: int, start: int, end: int | None = None, log_prob: float = -0.1) -> Spike:
    return Spike(token, start, start + 1 if end is None else end, log_prob)


def test_a_word_lasts_from_its_first_tokens_first_frame_to_its_last_tokens_last() -> None:
    (word,) = spell_spikes([spike(A, 10), spike(B, 14, 17)], CHARACTERS, GRID, END_AT)
    assert (word.text, word.timing) == ("ab", Timing.MEASURED)
    assert word.start_at == 16_000 + 10 * 320 + 40
    assert word.end_at == 16_000 + 17 * 320 + 40


def test_delimiters_separate_words_and_belong_to_none() -> None:
    spikes = [spike(SPACE, 0), spike(A, 5), spike(SPACE, 8), spike(SPACE, 9), spike(C, 12)]
    words = spell_spikes(spikes, CHARACTERS, GRID, END_AT)
    assert [word.text for word in words] == ["a", "c"]
    assert words[1].start_at == GRID.spoken_at(12)


def test_a_piece_that_begins_with_a_space_begins_a_word() -> None:
    spikes = [spike(1, 0), spike(2, 3), spike(3, 7)]
    assert [word.text for word in spell_spikes(spikes, PIECES, GRID, END_AT)] == ["abc", "a"]


def test_a_character_of_two_tokens_is_written_when_both_are_there() -> None:
    half = spell_spikes([spike(3, 0), spike(4, 2)], PIECES, GRID, END_AT)
    whole = spell_spikes([spike(3, 0), spike(4, 2), spike(5, 3)], PIECES, GRID, END_AT)
    assert [word.text for word in half + whole] == ["a", "a\u00e9"]


def test_confidence_is_the_geometric_mean_of_the_words_own_tokens() -> None:
    spikes = [
        spike(SPACE, 0, log_prob=-5.0),
        spike(A, 3, log_prob=math.log(0.9)),
        spike(B, 5, log_prob=math.log(0.4)),
    ]
    (word,) = spell_spikes(spikes, CHARACTERS, GRID, END_AT)
    assert word.confidence == pytest.approx(math.sqrt(0.9 * 0.4))


def test_times_stay_inside_the_segment() -> None:
    (word,) = spell_spikes([spike(A, 10, 12)], CHARACTERS, GRID, end_at=16_000 + 10 * 320)
    assert (word.start_at, word.end_at) == (16_000 + 10 * 320,) * 2


@pytest.mark.parametrize(("settled", "words"), [(0, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)])
def test_a_word_is_settled_once_the_next_delimiter_is(settled: int, words: int) -> None:
    said = [A, B, SPACE, C, SPACE, A]
    spikes = [spike(token, 2 * index) for index, token in enumerate(said)]
    assert settled_words(spikes, settled, CHARACTERS) == words


@pytest.mark.parametrize(
    ("heard_len", "frames"), [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (1_040, 3)]
)
def test_a_frame_is_complete_once_all_that_it_hears_is_there(heard_len: int, frames: int) -> None:
    assert GRID.complete(GRID.start_at + heard_len) == frames
    if frames:
        assert GRID.heard_until_at(frames - 1) <= GRID.start_at + heard_len
