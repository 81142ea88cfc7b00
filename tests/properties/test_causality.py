"""More audio never changes what has been said."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import feed, make_recognizer
from fakes_speech import OPTIONS, PHRASES, Phrase, speak, wavering
from streamscribe.options import SessionOptions


@settings(max_examples=25, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, place=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_more_audio_only_adds_events(
    phrases: list[Phrase], options: SessionOptions, place: float, seed: int
) -> None:
    audio = speak(phrases)
    recognizer = make_recognizer(wavering(seed))
    before = feed(recognizer.open(options), recognizer, audio[: int(place * len(audio))])
    after = feed(recognizer.open(options), recognizer, audio)
    assert after[: len(before)] == before
