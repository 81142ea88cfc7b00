"""Wherever a session breaks off: the one that goes on keeps every promise of the first.

The text is that of an undisturbed session, word for word, with a model that writes the same words
of the same audio whatever window they are heard in, and a detector that judges a frame by itself.
With others the promises hold all the same, and single words may come out otherwise.
"""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import ScriptedModel, finals, make_recognizer, spoken, words_from
from fakes_broken import Told, continuation_of, go_on, told_until
from fakes_ctc import ScriptedCtcModel
from fakes_speech import OPTIONS, PHRASES, SHORT_PHRASES, Phrase, count_words, speak, wavering
from streamscribe.continuation import Continuation
from streamscribe.events import Endpoint, Event, Final, Gap, Partial, Rule, SpeechStarted
from streamscribe.model import AcousticModel, Samples
from streamscribe.options import SessionOptions
from streamscribe.recognizer import Recognizer

PLACE = st.floats(0, 1)
BLOCK_LENS = st.sampled_from([480, 3_200, 7_777])


def broken_at(
    recognizer: Recognizer,
    options: SessionOptions,
    audio: Samples,
    place: float,
    before: Continuation | None = None,
) -> Told:
    """What was told up to a moment ``place`` of the way through everything that is told."""
    moments = [Told((), before.start_at if before else 0)]
    moments += told_until(recognizer, options, audio, before)
    return moments[round(place * (len(moments) - 1))]


def check_promises(events: list[Event]) -> None:
    """Of both sessions' events together."""
    started = [event.segment for event in events if isinstance(event, SpeechStarted)]
    closed = finals(events)
    assert started == list(range(len(started)))
    assert [final.segment for final in closed] == started
    for before, after in pairwise(closed):
        assert before.end_at <= after.start_at
    for final in closed:
        assert final.start_at <= final.end_at
        times = [time for word in final.words for time in (word.start_at, word.end_at)]
        assert times == sorted(times)
        assert all(final.start_at <= time <= final.end_at for time in times)
        assert " ".join(word.text for word in final.words) == final.text
    committed = dict.fromkeys(started, "")
    at = closed_at = 0
    for event in events:
        match event:
            case SpeechStarted():
                assert event.at >= at
                at = event.at
            case Partial():
                assert event.text.startswith(committed[event.segment])
                assert len(committed[event.segment]) <= event.committed <= len(event.text)
                committed[event.segment] = event.text[: event.committed]
                assert event.at >= closed_at  # audio that is sent again may be before the onset
            case Endpoint():
                assert event.at >= at
            case Final():
                assert event.text.startswith(committed[event.segment])
                at = closed_at = event.end_at


@settings(max_examples=60, deadline=None)
@given(
    phrases=SHORT_PHRASES,
    options=OPTIONS,
    seed=st.integers(0, 10**6),
    place=PLACE,
    block_len=BLOCK_LENS,
)
def test_two_sessions_keep_the_promises_of_one(
    phrases: list[Phrase], options: SessionOptions, seed: int, place: float, block_len: int
) -> None:
    audio, recognizer = speak(phrases), make_recognizer(wavering(seed))
    told = broken_at(recognizer, options, audio, place)
    rest = go_on(recognizer, options, audio, continuation_of(told), block_len)
    check_promises([*told.events, *rest])


@settings(max_examples=30, deadline=None)
@given(
    phrases=SHORT_PHRASES,
    options=OPTIONS,
    seed=st.integers(0, 10**6),
    place=PLACE,
    block_len=BLOCK_LENS,
)
def test_however_the_audio_is_sent_again_the_events_are_the_same(
    phrases: list[Phrase], options: SessionOptions, seed: int, place: float, block_len: int
) -> None:
    audio, recognizer = speak(phrases), make_recognizer(wavering(seed))
    continuation = continuation_of(broken_at(recognizer, options, audio, place))
    events = go_on(recognizer, options, audio, continuation, block_len)
    assert events == go_on(recognizer, options, audio, continuation, 100_000)


@settings(max_examples=30, deadline=None)
@given(
    phrases=SHORT_PHRASES, options=OPTIONS, seed=st.integers(0, 10**6), first=PLACE, second=PLACE
)
def test_a_session_that_breaks_twice_keeps_them_too(
    phrases: list[Phrase], options: SessionOptions, seed: int, first: float, second: float
) -> None:
    audio, recognizer = speak(phrases), make_recognizer(wavering(seed))
    told = broken_at(recognizer, options, audio, first)
    continuation = continuation_of(told)
    then = broken_at(recognizer, options, audio, second, continuation)
    rest = go_on(recognizer, options, audio, continuation_of(then, continuation))
    check_promises([*told.events, *then.events, *rest])


@settings(max_examples=60, deadline=None)
@given(phrases=PHRASES, options=OPTIONS, place=PLACE, ctc=st.booleans())
def test_no_word_is_lost_or_doubled_by_a_model_that_hears_the_same_in_every_window(
    phrases: list[Phrase], options: SessionOptions, place: float, ctc: bool
) -> None:
    model: AcousticModel = ScriptedCtcModel() if ctc else ScriptedModel()
    audio, recognizer = speak(phrases), make_recognizer(model)
    told = broken_at(recognizer, options, audio, place)
    events = [*told.events, *go_on(recognizer, options, audio, continuation_of(told))]
    assert spoken(events) == words_from(1, count_words(phrases))


@settings(max_examples=30, deadline=None)
@given(
    phrases=SHORT_PHRASES,
    options=OPTIONS,
    seed=st.integers(0, 10**6),
    place=PLACE,
    lost_len=st.integers(1, 80_000),
)
def test_lost_audio_closes_the_open_segment_and_is_told(
    phrases: list[Phrase], options: SessionOptions, seed: int, place: float, lost_len: int
) -> None:
    audio, recognizer = speak(phrases), make_recognizer(wavering(seed))
    told = broken_at(recognizer, options, audio, place)
    continuation = continuation_of(told, lost_len=min(lost_len, max(1, len(audio) - told.acked_at)))
    rest = list(go_on(recognizer, options, audio, continuation))
    if continuation.segment_open:
        endpoint, final, *rest = rest
        assert endpoint == Endpoint(continuation.segment, Rule.GAP, continuation.start_at)
        assert isinstance(final, Final)
        assert (final.segment, final.text) == (continuation.segment, continuation.committed_text)
        assert (final.start_at, final.end_at) == (told.acked_at, continuation.start_at)
    gap, *rest = rest
    assert gap == Gap(told.acked_at, continuation.start_at)
    first = continuation.segment + continuation.segment_open
    started = [event.segment for event in rest if isinstance(event, SpeechStarted)]
    assert started == [final.segment for final in finals(rest)]
    assert started == list(range(first, first + len(started)))
