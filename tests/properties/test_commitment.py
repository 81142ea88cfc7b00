"""Whatever a model says: committed text only grows, and the final starts with it."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import join, silence, talk, transcribe_scripted
from fakes_speech import OPTIONS, PHRASES, Phrase, speak, wavering
from streamscribe.events import Endpoint, Event, Final, Partial, SpeechStarted
from streamscribe.options import Commit, SessionOptions


def by_segment(events: list[Event]) -> list[list[Event]]:
    segments: list[list[Event]] = []
    for event in events:
        if isinstance(event, SpeechStarted):
            segments.append([])
        segments[-1].append(event)
    return segments


@settings(max_examples=30, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, seed=st.integers(0, 10**6))
def test_committed_text_only_grows_and_the_final_starts_with_it(
    phrases: list[Phrase], options: SessionOptions, seed: int
) -> None:
    events = transcribe_scripted(speak(phrases), options, wavering(seed))
    for number, segment in enumerate(by_segment(events)):
        started, *partials, endpoint, final = segment
        assert isinstance(started, SpeechStarted)
        assert isinstance(endpoint, Endpoint)
        assert isinstance(final, Final)
        promised = ""
        for partial in partials:
            assert isinstance(partial, Partial)
            assert partial.segment == number
            assert partial.text.startswith(promised)
            assert len(promised) <= partial.committed <= len(partial.text)
            promised = partial.text[: partial.committed]
            assert options.commit is Commit.APPEND or not promised
        assert final.text.startswith(promised)
        assert started.segment == endpoint.segment == final.segment == number


@settings(max_examples=20, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, seed=st.integers(0, 10**6))
def test_a_partial_always_says_something_new(
    phrases: list[Phrase], options: SessionOptions, seed: int
) -> None:
    events = transcribe_scripted(speak(phrases), options, wavering(seed))
    for segment in by_segment(events):
        partials = [event for event in segment if isinstance(event, Partial)]
        for before, after in pairwise(partials):
            assert (before.text, before.committed) != (after.text, after.committed)


@settings(max_examples=15, deadline=None)
@given(lead_ms=st.integers(0, 500), options=OPTIONS, seed=st.integers(0, 10**6))
def test_a_partial_never_hears_less_than_the_one_before(
    lead_ms: int, options: SessionOptions, seed: int
) -> None:
    audio = join(silence(lead_ms / 1_000), talk(1, 100), silence(0.2))
    heard_at: dict[int, int] = {}
    for event in transcribe_scripted(audio, options, wavering(seed)):
        if isinstance(event, Partial):
            assert event.at >= heard_at.get(event.segment, 0)
            heard_at[event.segment] = event.at
