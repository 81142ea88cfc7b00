"""Times of words whose tokens have times."""

from hypothesis import given
from hypothesis import strategies as st

from fakes import PERIOD, WordTable
from streamscribe.events import Timing, Word
from streamscribe.guards import Doubt
from streamscribe.segment_text import SegmentText
from streamscribe.transcript import SpokenAt, Transcript
from streamscribe.words import Span, Spelled, measured_times

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


def test_words_that_were_promised_are_estimated_before_those_that_are_measured() -> None:
    transcript = Transcript(WordTable())
    transcript.begin_segment(100)
    transcript.promise((1, 2), -0.1)
    text = SegmentText(transcript, WordTable(), Doubt(), 0, 100, 100)
    text.promise("w1 w2", 2)
    places = [SpokenAt(300, 350, 300), SpokenAt(360, 400, 360)]
    transcript.replace_hypothesis((3, 4), (-0.1, -0.1), places)
    transcript.settle(4)
    final = text.final(1_000, [Span(100, 900)], None)
    assert spans(final.words) == [(100, 200), (200, 300), (300, 350), (360, 400)]
    assert [word.timing for word in final.words] == [Timing.ESTIMATED] * 2 + [Timing.MEASURED] * 2


def test_punctuation_that_follows_promised_words_belongs_to_the_last_of_them() -> None:
    transcript = Transcript(WordTable())
    transcript.begin_segment(0)
    transcript.promise((1, 2), -0.1)
    text = SegmentText(transcript, WordTable(), Doubt(), 0, 0, 0)
    text.promise("w1 w2", 2)
    transcript.replace_hypothesis((PERIOD, 3), (-0.1, -0.1))
    transcript.settle(4)
    assert text.final(1_000, [Span(0, 900)], None).text == "w1 w2. w3"
