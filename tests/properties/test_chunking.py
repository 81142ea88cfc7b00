"""Events depend on the audio, not on how it was split nor on when results came."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import feed, make_recognizer, spoken, transcribe_scripted, words_from
from fakes_speech import (
    OPTIONS,
    SHORT_PHRASES,
    Phrase,
    count_words,
    speak,
    wavering,
)
from streamscribe.events import Event
from streamscribe.model import Samples, Step
from streamscribe.options import SessionOptions
from streamscribe.recognizer import drive
from streamscribe.timeline import DEFAULT_CAPACITY_LEN

PLACES = st.lists(st.floats(0, 1), max_size=12)


def split(audio: Samples, places: Sequence[float]) -> list[Samples]:
    cuts = [0, *sorted(int(place * len(audio)) for place in places), len(audio)]
    return [audio[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]


@settings(max_examples=25, deadline=None)
@given(phrases=SHORT_PHRASES, places=PLACES, options=OPTIONS, seed=st.integers(0, 99))
def test_any_split_of_the_same_audio_gives_the_same_events(
    phrases: list[Phrase], places: list[float], options: SessionOptions, seed: int
) -> None:
    audio = speak(phrases)
    recognizer = make_recognizer(wavering(seed))
    session = recognizer.open(options)
    events: list[Event] = []
    for piece in split(audio, places):
        session.receive_audio(piece)
        events += drive(session, recognizer)
    session.receive_eof()
    events += drive(session, recognizer)
    assert events == transcribe_scripted(audio, options, wavering(seed))


@settings(max_examples=10, deadline=None)
@given(piece_len=st.integers(1, 700), options=OPTIONS)
def test_pieces_of_any_length_give_the_same_events(piece_len: int, options: SessionOptions) -> None:
    audio = speak([(3, 400), (4, 0)])
    recognizer = make_recognizer()
    session = recognizer.open(options)
    events: list[Event] = []
    for start in range(0, len(audio), piece_len):
        session.receive_audio(audio[start : start + piece_len])
        events += drive(session, recognizer)
    session.receive_eof()
    assert events + list(drive(session, recognizer)) == transcribe_scripted(audio, options)


@settings(max_examples=25, deadline=None)
@given(
    phrases=SHORT_PHRASES,
    options=OPTIONS,
    moves=st.lists(st.sampled_from("arte"), max_size=80),
    seed=st.integers(0, 99),
)
def test_results_may_come_late(
    phrases: list[Phrase], options: SessionOptions, moves: list[str], seed: int
) -> None:
    """Moves: Audio comes, the model is Run if a step waits, events are Taken, in any order."""
    audio = speak(phrases)
    assert len(audio) < DEFAULT_CAPACITY_LEN
    recognizer = make_recognizer(wavering(seed))
    session = recognizer.open(options)
    events: list[Event] = []
    waiting: Step | None = None
    for move in moves:
        if move == "a":
            start = session.heard_at
            session.receive_audio(audio[start : start + 5_000])
        elif move == "r" and waiting is not None:
            session.step_done(recognizer.run([waiting])[0])
            waiting = None
        elif move == "t":
            events += session.take_events()
        elif waiting is None:
            waiting = session.step_wanted()
    if waiting is not None:
        session.step_done(recognizer.run([waiting])[0])
    events += feed(session, recognizer, audio[session.heard_at :])
    session.receive_eof()
    events += drive(session, recognizer)
    assert events == transcribe_scripted(audio, options, wavering(seed))


@settings(max_examples=25, deadline=None)
@given(
    phrases=SHORT_PHRASES,
    place=st.floats(0, 1),
    places=PLACES,
    options=OPTIONS,
    seed=st.integers(0, 99),
)
def test_a_flush_acts_at_its_sample_however_the_audio_was_split(
    phrases: list[Phrase], place: float, places: list[float], options: SessionOptions, seed: int
) -> None:
    audio = speak(phrases)
    at = int(place * len(audio))

    def run(before: list[Samples], after: list[Samples]) -> list[Event]:
        recognizer = make_recognizer(wavering(seed))
        session = recognizer.open(options)
        events: list[Event] = []
        for piece in before:
            session.receive_audio(piece)
            events += drive(session, recognizer)
        session.flush("here")
        for piece in after:
            session.receive_audio(piece)
            events += drive(session, recognizer)
        session.receive_eof()
        return events + list(drive(session, recognizer))

    pieces = run(split(audio[:at], places), split(audio[at:], places))
    assert pieces == run([audio[:at]], [audio[at:]])


def test_the_phrases_are_really_heard() -> None:
    phrases = [(5, 300), (7, 1_500), (3, 0)]
    assert spoken(transcribe_scripted(speak(phrases))) == words_from(1, count_words(phrases))
