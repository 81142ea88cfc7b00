"""Which windows a CTC session looks at, and what it commits of them."""

import pytest

from fakes import (
    WORD_LEN,
    feed,
    finals,
    join,
    make_recognizer,
    samples_len,
    silence,
    spoken,
    talk,
    transcribe_scripted,
    word,
    words_from,
)
from fakes_ctc import CHUNK, FRONT_END, ScriptedCtcModel
from streamscribe.ctc_policy import ChunkFrames, CtcPolicy
from streamscribe.errors import OptionError
from streamscribe.events import Endpoint, Event, Final, Partial, Rule, Timing
from streamscribe.families import Chunk
from streamscribe.model import StepKind
from streamscribe.options import Commit, Search, SessionOptions
from streamscribe.recognizer import Recognizer, drive
from streamscribe.session import Session
from streamscribe.timeline import SAMPLE_RATE, ms_to_len

FRAMES = ChunkFrames.of(CHUNK, FRONT_END.stride_len)
WINDOW_LEN = (
    FRAMES.left + FRAMES.hop + FRAMES.right - 1
) * FRONT_END.stride_len + FRONT_END.receptive_field_len


def opened(model: ScriptedCtcModel, **options: object) -> tuple[Session, Recognizer]:
    recognizer = make_recognizer(model)
    return recognizer.open(SessionOptions(**options)), recognizer  # type: ignore[arg-type]


def partials(events: list[Event]) -> list[Partial]:
    return [event for event in events if isinstance(event, Partial)]


# --- what is heard


def test_every_word_is_written_once() -> None:
    audio = join(silence(0.5), talk(1, 9), silence(0.5), talk(10, 14), silence(2), talk(15, 20))
    assert spoken(transcribe_scripted(audio, model=ScriptedCtcModel())) == words_from(1, 20)


def test_speech_without_a_pause_loses_no_word_where_a_segment_is_cut() -> None:
    events = transcribe_scripted(talk(1, 250), model=ScriptedCtcModel())
    rules = [event.rule for event in events if isinstance(event, Endpoint)]
    assert rules == [Rule.MAX_LENGTH] * 2 + [Rule.END_OF_AUDIO]
    assert spoken(events) == words_from(1, 250)


@pytest.mark.parametrize("hop_ms", [20, 240, 1_000, 5_000])
@pytest.mark.parametrize("left_ms", [300, 8_000])
def test_the_chunk_does_not_change_the_text(hop_ms: int, left_ms: int) -> None:
    model = ScriptedCtcModel(Chunk(hop_ms, right_ms=300, left_ms=left_ms))
    audio = join(silence(0.3), talk(1, 20), silence(1.5), talk(21, 30), silence(0.2))
    assert spoken(transcribe_scripted(audio, model=model)) == words_from(1, 30)


def test_a_hop_longer_than_the_segment_makes_one_window_of_it() -> None:
    model = ScriptedCtcModel(Chunk(hop_ms=10_000, right_ms=0, left_ms=0))
    (final,) = finals(transcribe_scripted(talk(1, 5), model=model))
    assert [len(step.samples) for step in model.steps] == [final.end_at - final.start_at]


def test_a_segment_has_what_was_heard_before_it_as_left_context() -> None:
    model = ScriptedCtcModel()
    session, recognizer = opened(model)
    feed(session, recognizer, join(talk(1, 5), silence(4)))
    before = len(model.steps)
    feed(session, recognizer, talk(6, 20))
    assert {len(step.samples) for step in model.steps[before:]} == {WINDOW_LEN}


def test_a_segment_that_goes_on_after_a_cut_has_the_one_before_as_left_context() -> None:
    model = ScriptedCtcModel()
    transcribe_scripted(talk(1, 150), model=model)
    steps = [step for step in model.steps[10:] if step.kind is StepKind.PARTIAL]
    steady = [len(step.samples) for step in steps]
    assert set(steady) == {WINDOW_LEN}


# --- when


def test_windows_have_one_length_once_the_segment_is_long_enough() -> None:
    model = ScriptedCtcModel()
    session, recognizer = opened(model)
    feed(session, recognizer, talk(1, 60))
    lengths = [len(step.samples) for step in model.steps]
    grown = lengths.index(WINDOW_LEN)
    assert set(lengths[grown:]) == {WINDOW_LEN}
    assert lengths[:grown] == sorted(lengths[:grown])


def test_each_hop_is_looked_at_once() -> None:
    model = ScriptedCtcModel()
    session, recognizer = opened(model)
    feed(session, recognizer, talk(1, 60))
    due_at = [step.due_at for step in model.steps]
    hop_len = FRAMES.hop * FRONT_END.stride_len
    frame_len = 480  # decisions are taken at the ends of the detector's frames
    gaps = [after - before for before, after in zip(due_at[2:], due_at[3:], strict=False)]
    assert all(abs(gap - hop_len) < frame_len for gap in gaps)


def test_the_final_is_known_before_the_endpoint() -> None:
    model = ScriptedCtcModel()
    events = transcribe_scripted(join(talk(1, 5), silence(2)), model=model)
    (endpoint,) = (event for event in events if isinstance(event, Endpoint))
    assert endpoint.rule is Rule.SILENCE
    assert max(step.due_at for step in model.steps) < endpoint.at
    assert model.steps[-1].kind is StepKind.FINAL


def test_speech_that_resumes_after_the_look_ahead_is_heard_in_full() -> None:
    audio = join(talk(1, 5), silence(0.65), talk(6, 9), silence(1))
    events = transcribe_scripted(audio, model=ScriptedCtcModel())
    assert [final.text for final in finals(events)] == [" ".join(words_from(1, 9))]


def test_a_flush_does_not_wait_for_the_right_context() -> None:
    model = ScriptedCtcModel()
    session, recognizer = opened(model)
    feed(session, recognizer, talk(1, 6))
    session.flush("now")
    (final,) = finals(list(drive(session, recognizer)))
    assert final.text.split() == words_from(1, 6)
    assert model.steps[-1].kind is StepKind.FINAL


@pytest.mark.parametrize("lead_s", [0.31, 0.4, 0.52, 0.6])
def test_segments_that_were_flushed_one_after_the_other_all_have_their_context(
    lead_s: float,
) -> None:
    session, recognizer = opened(ScriptedCtcModel(Chunk(400, 300, left_ms=30_000)))
    events = feed(session, recognizer, silence(lead_s))
    for first in (1, 5, 9, 13):
        events += feed(session, recognizer, talk(first, first + 3))
        session.flush(str(first))
    session.receive_eof()
    events += list(drive(session, recognizer))
    assert spoken(events) == words_from(1, 16)


def test_audio_too_short_for_a_frame_gives_an_empty_final() -> None:
    session, recognizer = opened(ScriptedCtcModel(), pre_roll_ms=0, min_speech_ms=30)
    feed(session, recognizer, talk(1, 1)[: samples_len(0.06)])
    session.flush("a")
    feed(session, recognizer, word(2)[:200])
    session.flush("b")
    session.receive_eof()
    texts = [final.text for final in finals(list(drive(session, recognizer)))]
    assert texts[1:] == [""] * len(texts[1:])


# --- what is shown and promised


def test_words_in_the_right_context_are_shown_and_not_promised() -> None:
    events = transcribe_scripted(talk(1, 30), model=ScriptedCtcModel())
    shown = partials(events)
    assert any(partial.committed < len(partial.text) for partial in shown)
    for partial in shown:
        promised = partial.text[: partial.committed].split()
        assert promised == words_from(1, len(promised))


def test_a_word_is_promised_when_the_next_has_begun_outside_the_right_context() -> None:
    session, recognizer = opened(ScriptedCtcModel())
    events = feed(session, recognizer, talk(1, 12))
    newest = partials(events)[-1]
    promised = len(newest.text[: newest.committed].split())
    since_s = (WORD_LEN + ms_to_len(90)) / SAMPLE_RATE
    behind_s = 12 * since_s - promised * since_s
    assert behind_s <= (CHUNK.hop_ms + CHUNK.right_ms) / 1_000 + 2 * since_s


def test_nothing_is_promised_where_nothing_should_be() -> None:
    options = SessionOptions(commit=Commit.FINAL)
    events = transcribe_scripted(talk(1, 30), options, ScriptedCtcModel())
    assert {partial.committed for partial in partials(events)} == {0}


def test_without_partials_only_finals_come() -> None:
    options = SessionOptions(partials=False)
    events = transcribe_scripted(talk(1, 10), options, ScriptedCtcModel())
    assert not partials(events)
    assert spoken(events) == words_from(1, 10)


def test_word_times_are_measured_on_the_frames() -> None:
    lead = silence(0.5)
    audio = join(lead, talk(1, 8), silence(1.5))
    (final,) = finals(transcribe_scripted(audio, model=ScriptedCtcModel()))
    stride_len = FRONT_END.stride_len
    for number, said in enumerate(final.words):
        start_at = len(lead) + number * (WORD_LEN + samples_len(0.09))
        assert abs(said.start_at - start_at) <= stride_len
        assert abs(said.end_at - (start_at + WORD_LEN)) <= stride_len
        assert said.timing is Timing.MEASURED


# --- bounds


def test_a_long_stream_costs_no_more_per_hop_and_keeps_no_more() -> None:
    model = ScriptedCtcModel()
    session, recognizer = opened(model)
    minute = join(talk(1, 100), silence(0.5), talk(101, 180), silence(5))
    for _ in range(10):
        feed(session, recognizer, minute)
        assert session.heard_at - session._timeline.start_at <= 5 * SAMPLE_RATE
    assert max(len(step.samples) for step in model.steps) <= WINDOW_LEN


def test_finals_follow_each_other() -> None:
    audio = join(talk(1, 120), silence(3), talk(121, 130), silence(1))
    closed: list[Final] = finals(transcribe_scripted(audio, model=ScriptedCtcModel()))
    assert all(one.end_at <= two.start_at for one, two in zip(closed, closed[1:], strict=False))


# --- hotwords


def test_hotwords_are_leaned_towards_from_the_position_where_they_were_set() -> None:
    session, recognizer = opened(ScriptedCtcModel())
    feed(session, recognizer, talk(1, 10))
    session.set_hotwords(("w3", "w12"))
    feed(session, recognizer, talk(11, 20))
    session.set_hotwords(())
    policy = session._policy
    assert isinstance(policy, CtcPolicy)
    assert policy._hotwords is not None and policy._hotwords.phrases == ("w3", "w12")
    feed(session, recognizer, talk(21, 22))
    assert policy._hotwords is None


def test_a_phrase_that_the_vocabulary_cannot_spell_is_refused_by_name() -> None:
    recognizer = make_recognizer(ScriptedCtcModel())
    with pytest.raises(OptionError, match="\u00e9"):
        recognizer.open(SessionOptions(hotwords=("caf\u00e9",)))


@pytest.mark.parametrize("search", [Search.GREEDY, Search.BEAM])
def test_both_searches_write_every_word_once(search: Search) -> None:
    audio = join(silence(0.5), talk(1, 9), silence(2), talk(10, 14), silence(0.2))
    options = SessionOptions(search=search)
    assert spoken(transcribe_scripted(audio, options, ScriptedCtcModel())) == words_from(1, 14)


@pytest.mark.parametrize("option", [{"search": Search.BEAM}, {"hotwords": ("Ada",)}])
def test_a_seq2seq_model_refuses_what_it_cannot_do(option: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(option))):
        make_recognizer().open(SessionOptions(**option))  # type: ignore[arg-type]
