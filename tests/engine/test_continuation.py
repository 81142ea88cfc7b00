"""Going on where another session broke off: one situation each, in scripted words."""

import pytest

from fakes import (
    FixedModel,
    ScriptedModel,
    feed,
    finals,
    join,
    make_recognizer,
    samples_len,
    silence,
    spoken,
    talk,
    words_from,
)
from fakes_ctc import ScriptedCtcModel
from streamscribe.continuation import COMMITTED_CHARACTERS, PATIENCE_LEN, Continuation
from streamscribe.errors import OptionError
from streamscribe.events import Endpoint, Event, Final, Gap, Partial, Rule, SpeechStarted
from streamscribe.model import AcousticModel, DecodeStep, Samples
from streamscribe.options import Commit, SessionOptions
from streamscribe.recognizer import Recognizer, drive
from streamscribe.seq2seq_policy import Seq2SeqPolicy
from streamscribe.seq2seq_traits import Traits
from streamscribe.session import Session
from streamscribe.timeline import SAMPLE_RATE, Timeline, ms_to_len

START_AT = 1_234_567
"""In the middle of a frame."""
OPEN = Continuation(START_AT, 7, segment_open=True, committed_text="w1 w2 w3")
BOTH = pytest.mark.parametrize("model", [ScriptedModel(), ScriptedCtcModel()], ids=["s2s", "ctc"])


def ended(
    audio: Samples,
    continuation: Continuation,
    model: AcousticModel | None = None,
    options: SessionOptions | None = None,
) -> list[Event]:
    """All events of a session that goes on with ``audio`` and ends there."""
    recognizer = make_recognizer(model)
    session = recognizer.open(options, continuation)
    events = feed(session, recognizer, audio)
    return events + end(session, recognizer)


def end(session: Session, recognizer: Recognizer) -> list[Event]:
    session.receive_eof()
    return list(drive(session, recognizer))


# --- the clock and the numbers


def test_the_clock_begins_where_the_audio_begins() -> None:
    session = make_recognizer().open(None, Continuation(START_AT, 7))
    assert (session.heard_at, session.decided_at, session.settled_at) == (START_AT,) * 3


def test_an_unopened_segment_gets_the_number_and_positions_go_on() -> None:
    events = ended(join(silence(2), talk(1, 5)), Continuation(START_AT, 7))
    (final,) = finals(events)
    assert isinstance(events[0], SpeechStarted)
    assert events[0].segment == final.segment == 7
    assert START_AT + samples_len(0.9) <= events[0].at <= START_AT + samples_len(1)
    assert final.words[0].start_at >= START_AT + samples_len(1.9)


def test_a_pre_roll_never_reaches_before_the_audio() -> None:
    (final,) = finals(ended(talk(1, 5), Continuation(START_AT, 0)))
    assert (final.start_at, spoken([final])) == (START_AT, words_from(1, 5))


def test_segments_after_the_reopened_one_are_numbered_on() -> None:
    events = ended(join(talk(1, 5), silence(3), talk(6, 9)), OPEN)
    assert [event.segment for event in events if isinstance(event, SpeechStarted)] == [8]
    assert [final.segment for final in finals(events)] == [7, 8]


def test_audio_is_kept_from_the_beginning_on_and_no_earlier() -> None:
    timeline = Timeline(start_at=START_AT)
    timeline.append(talk(1, 2))
    assert timeline.start_at == START_AT
    assert timeline.read(START_AT, START_AT + 10).tolist() == talk(1, 1)[:10].tolist()


# --- a segment that was open


@BOTH
def test_an_open_segment_is_not_announced_again_and_says_every_word_once(
    model: AcousticModel,
) -> None:
    events = ended(join(silence(0.5), talk(1, 12)), OPEN, model)
    (final,) = finals(events)
    assert not [event for event in events if isinstance(event, SpeechStarted)]
    assert spoken(events) == words_from(1, 12)
    assert (final.segment, final.start_at) == (7, START_AT)


@BOTH
def test_committed_text_stays_as_it_was_even_if_the_model_says_something_else_now(
    model: AcousticModel,
) -> None:
    continuation = Continuation(0, 0, segment_open=True, committed_text="w1 w8 w3")
    events = ended(talk(1, 12), continuation, model)
    assert " ".join(spoken(events)) == "w1 w8 " + " ".join(words_from(3, 12))
    for event in events:
        if isinstance(event, Partial):
            assert event.text.startswith("w1 w8 w3")
            assert event.committed >= len("w1 w8 w3")


@BOTH
def test_a_partial_comes_only_when_there_is_something_new(model: AcousticModel) -> None:
    events = ended(talk(1, 12), OPEN, model)
    partials = [event for event in events if isinstance(event, Partial)]
    assert partials
    assert all(event.text != OPEN.committed_text for event in partials[:1])


def test_words_that_the_vocabulary_cannot_spell_stay_in_the_text() -> None:
    continuation = Continuation(0, 0, segment_open=True, committed_text="\u00fcber w2")
    events = ended(talk(1, 6), continuation)
    (final,) = finals(events)
    assert final.text.startswith("\u00fcber w2 ")
    assert spoken(events)[-4:] == words_from(3, 6)


def test_a_model_that_hears_nothing_of_it_again_adds_nothing() -> None:
    events = ended(join(talk(1, 12), silence(6)), OPEN, FixedModel([]))
    assert [final.text for final in finals(events)] == ["w1 w2 w3"]


@BOTH
def test_without_speech_the_segment_is_closed_by_silence_and_says_what_was_committed(
    model: AcousticModel,
) -> None:
    recognizer = make_recognizer(model)
    session = recognizer.open(SessionOptions(), OPEN)
    endpoint, final = feed(session, recognizer, silence(6))
    waited_len = PATIENCE_LEN + ms_to_len(800 + 1_000)
    assert isinstance(endpoint, Endpoint)
    assert (endpoint.segment, endpoint.rule) == (7, Rule.SILENCE)
    assert 0 <= endpoint.at - START_AT - waited_len <= ms_to_len(30)
    assert isinstance(final, Final)
    assert (final.segment, final.text, final.end_at) == (7, "w1 w2 w3", endpoint.at)
    assert [word.text for word in final.words] == ["w1", "w2", "w3"]
    assert end(session, recognizer) == []


def test_without_speech_no_step_is_asked_for() -> None:
    model = ScriptedModel()
    ended(silence(6), OPEN, model)
    assert model.steps == []


@BOTH
@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_a_flush_and_the_end_of_audio_close_it_at_once(
    model: AcousticModel, seconds: float
) -> None:
    at = START_AT + samples_len(seconds)
    recognizer = make_recognizer(model)
    flushed = recognizer.open(None, OPEN)
    feed(flushed, recognizer, silence(seconds))
    flushed.flush("f")
    endpoint, final, *_ = drive(flushed, recognizer)
    assert endpoint == Endpoint(7, Rule.FLUSH, at)
    assert isinstance(final, Final)
    assert final.text == "w1 w2 w3"
    events = ended(silence(seconds), OPEN, model)
    assert events[0] == Endpoint(7, Rule.END_OF_AUDIO, at)
    assert [final.text for final in finals(events)] == ["w1 w2 w3"]


@BOTH
def test_a_pause_before_all_is_heard_again_does_not_end_the_segment(model: AcousticModel) -> None:
    audio = join(talk(1, 1), silence(2), talk(2, 6))
    events = ended(audio, OPEN, model)
    assert [spoken([final]) for final in finals(events)] == [words_from(1, 6)]


@BOTH
def test_once_all_is_heard_again_silence_ends_it_as_ever(model: AcousticModel) -> None:
    events = ended(join(talk(1, 6), silence(2)), OPEN, model)
    (endpoint,) = [event for event in events if isinstance(event, Endpoint)]
    assert endpoint.rule is Rule.SILENCE
    assert endpoint.at - START_AT <= len(talk(1, 6)) + ms_to_len(830)


def test_nothing_is_forced_before_the_audio_has_said_it() -> None:
    model = ScriptedModel()
    committed = " ".join(words_from(1, 40))
    ended(talk(1, 50), Continuation(0, 0, segment_open=True, committed_text=committed), model)
    for step in model.steps:
        assert not step.forced or len(step.samples) >= len(talk(1, len(step.forced) - 1))
    assert any(len(step.forced) >= 40 for step in model.steps)


def test_text_longer_than_the_window_is_heard_again_window_by_window() -> None:
    options = SessionOptions(window_ms=6_000)
    committed = " ".join(words_from(1, 60))
    continuation = Continuation(START_AT, 0, segment_open=True, committed_text=committed)
    events = ended(talk(1, 80), continuation, ScriptedModel(), options)
    assert spoken(events) == words_from(1, 80)


def test_nothing_is_promised_beyond_it_if_the_caller_wants_no_promises() -> None:
    options = SessionOptions(commit=Commit.FINAL)
    continuation = Continuation(START_AT, 3, segment_open=True)
    events = ended(talk(1, 12), continuation, options=options)
    assert not [event for event in events if isinstance(event, Partial) and event.committed]
    assert spoken(events) == words_from(1, 12)


# --- lost audio


def test_a_gap_closes_the_open_segment_first() -> None:
    continuation = Continuation(
        START_AT, 7, segment_open=True, committed_text="w1 w2", lost_from_at=START_AT - 9_000
    )
    endpoint, final, gap, started, *rest = ended(talk(11, 15), continuation)
    assert endpoint == Endpoint(7, Rule.GAP, START_AT)
    assert isinstance(final, Final)
    assert (final.segment, final.text) == (7, "w1 w2")
    assert (final.start_at, final.end_at) == (START_AT - 9_000, START_AT)
    assert gap == Gap(START_AT - 9_000, START_AT)
    assert started == SpeechStarted(8, START_AT)
    assert spoken(rest) == words_from(11, 15)


def test_a_gap_between_segments_is_told_too() -> None:
    gap, started, *_ = ended(talk(1, 5), Continuation(START_AT, 7, lost_from_at=0))
    assert (gap, started) == (Gap(0, START_AT), SpeechStarted(7, START_AT))


# --- earlier text


def contexts(model: ScriptedModel, audio: Samples, context_text: str) -> list[tuple[int, ...]]:
    ended(audio, Continuation(0, 3, context_text=context_text), model)
    return [step.wish.context for step in model.steps if isinstance(step, DecodeStep)]


class ToldModel(ScriptedModel):
    """Takes earlier text: a token per word, after one of the caller's own."""

    def new_policy(self, options: SessionOptions) -> Seq2SeqPolicy:
        traits = Traits(50.0, context=(99,), encode=lambda text: tuple(map(len, text.split())))
        return Seq2SeqPolicy(options, self.tokens, traits)


def test_earlier_text_is_told_to_models_that_take_it_until_the_first_final() -> None:
    audio = join(talk(1, 5), silence(3), talk(6, 9))
    told = contexts(ToldModel(), audio, "to be or")
    assert told[0] == (99, 2, 2, 2)
    assert told[-1] == (99,)
    assert sorted(set(told)) == [(99,), (99, 2, 2, 2)]


def test_other_models_are_not_told() -> None:
    assert set(contexts(ScriptedModel(), talk(1, 5), "to be or")) == {()}


# --- what no session can have had


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("start_at", {"start_at": -1}),
        ("segment", {"segment": -1}),
        ("committed_text", {"committed_text": "w1"}),
        ("committed_text", {"segment_open": True, "committed_text": "w1  w2"}),
        (
            "committed_text",
            {"segment_open": True, "committed_text": "w" * COMMITTED_CHARACTERS * 2},
        ),
        ("context_text", {"context_text": "w" * 2_001}),
        ("lost_from_at", {"lost_from_at": SAMPLE_RATE}),
        ("lost_from_at", {"lost_from_at": -1}),
    ],
)
def test_impossible_values_are_refused_by_name(name: str, values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=f"continuation.{name}"):
        Continuation(**{"start_at": SAMPLE_RATE, "segment": 0, **values})  # type: ignore[arg-type]
