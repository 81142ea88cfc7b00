"""Every voiced sample lies in exactly one segment; every word is written exactly once."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import (
    WORD_LEN,
    ScriptedModel,
    feed,
    finals,
    join,
    make_recognizer,
    silence,
    spoken,
    talk,
    transcribe_scripted,
    words_from,
)
from fakes_speech import OPTIONS, PHRASES, Phrase, count_words, speak, wavering
from streamscribe.events import Event
from streamscribe.model import Samples
from streamscribe.options import Commit, SessionOptions
from streamscribe.recognizer import drive
from streamscribe.timeline import len_to_ms


def in_segments(audio: Samples, spans: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """In how many segments each sample lies."""
    count = np.zeros(len(audio), dtype=np.int64)
    for start_at, end_at in spans:
        count[start_at:end_at] += 1
    return count


@settings(max_examples=30, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, seed=st.integers(0, 10**6))
def test_every_voiced_sample_lies_in_exactly_one_segment(
    phrases: list[Phrase], options: SessionOptions, seed: int
) -> None:
    audio = speak(phrases)
    closed = finals(transcribe_scripted(audio, options, wavering(seed)))
    count = in_segments(audio, [(final.start_at, final.end_at) for final in closed])
    assert (count[audio != 0] == 1).all()
    assert count.max() <= 1


@settings(max_examples=25, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, seed=st.integers(0, 10**6))
def test_segments_are_numbered_and_follow_each_other(
    phrases: list[Phrase], options: SessionOptions, seed: int
) -> None:
    closed = finals(transcribe_scripted(speak(phrases), options, wavering(seed)))
    assert [final.segment for final in closed] == list(range(len(closed)))
    assert all(before.end_at <= after.start_at for before, after in pairwise(closed))
    assert all(final.start_at < final.end_at for final in closed)


@settings(max_examples=25, deadline=None)
@given(phrases=PHRASES, options=OPTIONS)
def test_every_word_is_written_exactly_once(phrases: list[Phrase], options: SessionOptions) -> None:
    events = transcribe_scripted(speak(phrases), options)
    assert spoken(events) == words_from(1, count_words(phrases))


@settings(max_examples=30, deadline=None)
@given(
    gap_ms=st.sampled_from([0, 30, 60, 90, 120]),
    lead_ms=st.integers(0, 500),
    options=OPTIONS,
)
def test_a_minute_without_a_pause_loses_and_doubles_no_word(
    gap_ms: int, lead_ms: int, options: SessionOptions
) -> None:
    audio = join(silence(lead_ms / 1_000), talk(1, 200, gap_s=gap_ms / 1_000), silence(0.2))
    # A cut may hit a word where gaps are shorter, or where the search may miss a whole one.
    searched_ms = min(options.hop_ms, options.pre_roll_ms)
    model = ScriptedModel(guesses=gap_ms >= 60 and searched_ms >= len_to_ms(WORD_LEN) + 2 * 60)
    assert spoken(transcribe_scripted(audio, options, model)) == words_from(1, 200)


@settings(max_examples=30, deadline=None)
@given(
    phrases=PHRASES,
    places=st.lists(st.floats(0, 1), min_size=1, max_size=3),
    commit=st.sampled_from(Commit),
)
def test_flushes_between_words_lose_and_double_none(
    phrases: list[Phrase], places: list[float], commit: Commit
) -> None:
    words = count_words(phrases)
    recognizer = make_recognizer()
    session = recognizer.open(SessionOptions(commit=commit))
    stops = sorted(int(place * words) for place in places)
    events: list[Event] = []
    for first, last in zip([0, *stops], [*stops, words], strict=True):
        events += feed(session, recognizer, talk(first + 1, last))
        session.flush(str(last))
        events += drive(session, recognizer)
    session.receive_eof()
    events += drive(session, recognizer)
    assert spoken(events) == words_from(1, words)
