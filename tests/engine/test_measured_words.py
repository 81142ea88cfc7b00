"""Times of words whose tokens have times."""

from hypothesis import given
from hypothesis import strategies as st

from streamscribe.events import Timing, Word
from streamscribe.transcript import SpokenAt
from streamscribe.words import Spelled, measured_times

PLACES = st.integers(-50, 200)


def words_of(*lengths: int) -> list[Spelled]:
    """Words of so many tokens each, one after the other."""
    words, first = [], 0
    for number, length in enumerate(lengths):
        words.append(Spelled(f"w{number}", 0.5, first, first + length - 1))
        first += length
    return words


def spoken(*spans: tuple[int, int]) -> list[SpokenAt]:
    return [SpokenAt(start, end, attended_at=start) for start, end in spans]


def spans(words: tuple[Word, ...]) -> list[tuple[int, int]]:
    return [(word.start_at, word.end_at) for word in words]


@given(
    places=st.lists(st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=3), max_size=6),
    start_at=st.integers(0, 100),
    length=st.integers(0, 100),
)
def test_words_are_ordered_and_within_the_segment(
    places: list[list[tuple[int, int]]], start_at: int, length: int
) -> None:
    words = words_of(*map(len, places))
    of_tokens = [span for of_word in places for span in of_word]
    timed = measured_times(words, spoken(*of_tokens), start_at, start_at + length)
    assert [word.text for word in timed] == [word.text for word in words]
    edges = [edge for span in spans(timed) for edge in span]
    assert edges == sorted(edges)
    assert all(start_at <= edge <= start_at + length for edge in edges)


def test_a_word_lasts_from_its_first_token_to_its_last() -> None:
    timed = measured_times(words_of(2, 1), spoken((10, 20), (20, 35), (40, 60)), 0, 100)
    assert spans(timed) == [(10, 35), (40, 60)]


def test_measured_times_say_that_they_are_and_words_stay_as_they_were() -> None:
    (word,) = measured_times(words_of(1), spoken((10, 20)), 0, 100)
    assert word == Word("w0", 10, 20, 0.5, Timing.MEASURED)


def test_a_word_does_not_begin_before_the_one_before_it_has_ended() -> None:
    timed = measured_times(words_of(1, 1), spoken((10, 30), (20, 40)), 0, 100)
    assert spans(timed) == [(10, 30), (30, 40)]


def test_what_was_spoken_outside_the_segment_is_moved_to_its_edges() -> None:
    timed = measured_times(words_of(1, 1), spoken((-5, 20), (90, 130)), 0, 100)
    assert spans(timed) == [(0, 20), (90, 100)]


def test_tokens_that_nobody_knows_the_place_of_are_passed_over() -> None:
    places = [None, *spoken((10, 20), (20, 30)), None]
    assert spans(measured_times(words_of(4), places, 0, 100)) == [(10, 30)]
