"""One stream's life, told in scripted words: what opens and closes segments, and in which order."""

import numpy as np
import pytest

from fakes import (
    FRAME_LEN,
    WORD_LEN,
    FixedModel,
    ScriptedModel,
    ScriptedVad,
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
from streamscribe.commitment import SURE_LOG_PROB
from streamscribe.encoder_decoder import LEAD_LEN
from streamscribe.errors import BacklogExceeded
from streamscribe.events import (
    Endpoint,
    Event,
    Final,
    Flushed,
    Partial,
    Rule,
    SpeechStarted,
)
from streamscribe.model import DecodeResult, DecodeStep, StepKind
from streamscribe.options import Commit, SessionOptions
from streamscribe.recognizer import Recognizer, drive
from streamscribe.seq2seq_policy import Seq2SeqPolicy
from streamscribe.session import Session
from streamscribe.timeline import DEFAULT_CAPACITY_LEN, SAMPLE_RATE, ms_to_len


def outline(events: list[Event]) -> list[str]:
    """The events' names, partials left out."""
    return [type(event).__name__ for event in events if not isinstance(event, Partial)]


def partials(events: list[Event]) -> list[Partial]:
    return [event for event in events if isinstance(event, Partial)]


def endpoints(events: list[Event]) -> list[Endpoint]:
    return [event for event in events if isinstance(event, Endpoint)]


def flush(session: Session, recognizer: Recognizer, id: str) -> list[Event]:
    session.flush(id)
    return list(drive(session, recognizer))


def end(session: Session, recognizer: Recognizer) -> list[Event]:
    session.receive_eof()
    return list(drive(session, recognizer))


# --- opening


def test_silence_gives_no_events() -> None:
    assert transcribe_scripted(silence(5)) == []


def test_silence_asks_for_no_step() -> None:
    model = ScriptedModel()
    transcribe_scripted(silence(5), model=model)
    assert model.steps == []


def test_an_empty_stream_is_finished_at_once() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    assert end(session, recognizer) == []
    assert session.finished


def test_a_segment_begins_a_pre_roll_before_the_first_word() -> None:
    options = SessionOptions(pre_roll_ms=300)
    events = transcribe_scripted(join(silence(1.2), talk(1, 3)), options)
    assert events[0] == SpeechStarted(0, samples_len(1.2 - 0.3))


def test_the_pre_roll_never_reaches_before_the_stream() -> None:
    events = transcribe_scripted(join(silence(0.09), talk(1, 3)), SessionOptions(pre_roll_ms=300))
    assert events[0] == SpeechStarted(0, 0)


def test_the_pre_roll_never_reaches_into_the_segment_before() -> None:
    options = SessionOptions(endpoint_silence_ms=300, soft_pause_ms=300, pre_roll_ms=2_000)
    events = transcribe_scripted(join(talk(1, 3), silence(0.5), talk(4, 6)), options)
    first, second = finals(events)
    assert second.start_at == first.end_at


def test_speech_shorter_than_the_minimum_opens_nothing() -> None:
    click = np.full(FRAME_LEN, 0.5, dtype=np.float32)
    options = SessionOptions(min_speech_ms=90)
    assert transcribe_scripted(join(silence(0.9), click, silence(0.9)), options) == []


# --- pauses and endpoints


def test_a_soft_pause_keeps_the_segment_open() -> None:
    options = SessionOptions(soft_pause_ms=300, endpoint_silence_ms=800)
    events = transcribe_scripted(join(talk(1, 3), silence(0.6), talk(4, 6)), options)
    assert [final.text for final in finals(events)] == ["w1 w2 w3 w4 w5 w6."]


def test_a_soft_pause_shows_what_was_said_before_it() -> None:
    options = SessionOptions(soft_pause_ms=300, endpoint_silence_ms=5_000, hop_ms=5_000)
    events = transcribe_scripted(join(talk(1, 3), silence(0.6), talk(4, 6)), options)
    assert partials(events)[0].text == "w1 w2 w3."


def test_silence_closes_the_segment_by_its_rule() -> None:
    options = SessionOptions(endpoint_silence_ms=600, soft_pause_ms=300)
    events = transcribe_scripted(join(word(1), silence(2)), options)
    (endpoint,) = endpoints(events)
    assert endpoint.rule is Rule.SILENCE
    assert 0 <= endpoint.at - WORD_LEN - ms_to_len(600) < 2 * FRAME_LEN


def test_silence_a_frame_shorter_than_the_rule_does_not_close_the_segment() -> None:
    options = SessionOptions(endpoint_silence_ms=600, soft_pause_ms=300)
    events = transcribe_scripted(join(word(1), silence(0.57), word(2), silence(2)), options)
    assert spoken(events) == words_from(1, 2)
    assert len(finals(events)) == 1


def test_the_endpoint_precedes_its_final() -> None:
    events = transcribe_scripted(join(talk(1, 3), silence(2), talk(4, 6), silence(2)))
    assert outline(events) == ["SpeechStarted", "Endpoint", "Final"] * 2


def test_a_final_ends_where_its_endpoint_says() -> None:
    events = transcribe_scripted(join(talk(1, 3), silence(2), talk(4, 200)))
    assert [final.end_at for final in finals(events)] == [it.at for it in endpoints(events)]


def test_the_final_is_ready_at_the_endpoint_when_nothing_was_said_in_the_silence() -> None:
    model = ScriptedModel()
    options = SessionOptions(soft_pause_ms=300, endpoint_silence_ms=600)
    events = transcribe_scripted(join(talk(1, 3), silence(2)), options, model)
    assert finals(events)[0].text == "w1 w2 w3."
    (endpoint,) = (event for event in events if isinstance(event, Endpoint))
    assert max(step.due_at for step in model.steps) < endpoint.at


def test_a_pause_is_looked_at_once() -> None:
    model = ScriptedModel()
    options = SessionOptions(soft_pause_ms=300, endpoint_silence_ms=9_000, hop_ms=5_000)
    transcribe_scripted(join(talk(1, 3), silence(4)), options, model)
    assert [step.kind for step in model.steps] == [StepKind.PARTIAL, StepKind.FINAL]


def test_words_after_the_last_pause_are_looked_at_when_the_segment_closes() -> None:
    model = ScriptedModel()
    options = SessionOptions(hop_ms=5_000)
    events = transcribe_scripted(join(talk(1, 3), silence(0.5), word(4)), options, model)
    assert model.steps[-1].kind is StepKind.FINAL
    assert spoken(events) == words_from(1, 4)


# --- long segments


def test_a_segment_of_the_longest_allowed_length_is_closed_by_its_rule() -> None:
    options = SessionOptions(max_segment_ms=6_000)
    first = endpoints(transcribe_scripted(talk(1, 60), options))[0]
    assert first.rule is Rule.MAX_LENGTH
    assert first.at <= ms_to_len(6_000)


def test_after_the_longest_segment_the_next_begins_where_it_ended() -> None:
    events = transcribe_scripted(talk(1, 60), SessionOptions(max_segment_ms=6_000))
    first, second, *_ = finals(events)
    assert second.start_at == first.end_at


def test_a_word_behind_the_last_cut_is_heard_even_if_nobody_talks_on() -> None:
    for words in range(16, 22):  # one of them ends just before the segment is closed
        audio = join(talk(1, words), silence(2))
        events = transcribe_scripted(audio, SessionOptions(max_segment_ms=6_000, pre_roll_ms=500))
        assert spoken(events) == words_from(1, words)


@pytest.mark.parametrize("gap_s", [0.0, 0.06, 0.15])
@pytest.mark.parametrize("commit", Commit)
def test_a_segment_that_is_cut_loses_and_doubles_no_word(commit: Commit, gap_s: float) -> None:
    options = SessionOptions(max_segment_ms=8_000, commit=commit)
    model = ScriptedModel(guesses=gap_s > 0)  # no gap: a cut hits a word, and guesses would stay
    events = transcribe_scripted(talk(1, 120, gap_s=gap_s), options, model)
    assert spoken(events) == words_from(1, 120)


@pytest.mark.parametrize("gap_s", [0.0, 0.06, 0.15])
@pytest.mark.parametrize("commit", Commit)
def test_a_segment_that_outgrows_the_window_loses_and_doubles_no_word(
    commit: Commit, gap_s: float
) -> None:
    options = SessionOptions(window_ms=6_000, max_segment_ms=30_000, commit=commit)
    model = ScriptedModel(guesses=gap_s > 0)
    events = transcribe_scripted(talk(1, 120, gap_s=gap_s), options, model)
    assert spoken(events) == words_from(1, 120)


def test_the_window_slides_without_a_new_segment() -> None:
    options = SessionOptions(window_ms=6_000, max_segment_ms=30_000)
    events = transcribe_scripted(talk(1, 60), options)
    assert len(finals(events)) == 1


def test_no_step_looks_at_more_than_the_window_while_somebody_talks() -> None:
    model = ScriptedModel()
    transcribe_scripted(talk(1, 200), SessionOptions(window_ms=6_000), model)
    assert max(len(step.samples) for step in model.steps) <= ms_to_len(6_000)


# --- flush and end


def test_a_flush_closes_the_open_segment_by_its_rule() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    feed(session, recognizer, talk(1, 3))
    assert endpoints(flush(session, recognizer, "a"))[0].rule is Rule.FLUSH


def test_a_flush_is_answered_after_the_final() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    feed(session, recognizer, talk(1, 3))
    assert outline(flush(session, recognizer, "a")) == ["Endpoint", "Final", "Flushed"]


def test_a_flush_with_nothing_open_is_answered_at_once() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    feed(session, recognizer, silence(1.01))
    assert flush(session, recognizer, "a") == [Flushed("a")]


def test_a_flush_before_any_audio_is_answered_at_once() -> None:
    recognizer = make_recognizer()
    assert flush(recognizer.open(), recognizer, "a") == [Flushed("a")]


def test_a_flush_on_the_edge_of_a_frame_takes_the_frame_before_it() -> None:
    recognizer = make_recognizer()
    session = recognizer.open(SessionOptions(min_speech_ms=90))
    session.receive_audio(word(1)[: 3 * FRAME_LEN])  # speech, but only with its last frame
    assert outline(flush(session, recognizer, "a")) == [
        "SpeechStarted",
        "Endpoint",
        "Final",
        "Flushed",
    ]


def test_two_flushes_in_a_row_are_both_answered_and_close_once() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    feed(session, recognizer, talk(1, 3))
    session.flush("a")
    session.flush("b")
    events = list(drive(session, recognizer))
    assert outline(events) == ["Endpoint", "Final", "Flushed", "Flushed"]
    assert events[-2:] == [Flushed("a"), Flushed("b")]


def test_a_flush_inside_a_frame_ends_the_segment_at_its_sample() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    audio = talk(1, 3)[: 20 * FRAME_LEN + 123]
    feed(session, recognizer, audio)
    assert endpoints(flush(session, recognizer, "a"))[0].at == len(audio)


def test_speech_goes_on_after_a_flush_where_it_stopped() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    audio = join(talk(1, 3), word(4), silence(0.05))
    events = feed(session, recognizer, audio) + flush(session, recognizer, "a")
    events += feed(session, recognizer, join(talk(5, 8), silence(2)))
    assert spoken(events) == words_from(1, 8)
    assert finals(events)[1].start_at >= finals(events)[0].end_at == len(audio)


def test_a_flush_takes_only_the_audio_that_came_before_it() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    session.receive_audio(talk(1, 3))
    session.flush("a")
    session.receive_audio(join(talk(4, 6), silence(2)))
    events = list(drive(session, recognizer))
    assert [final.text for final in finals(events)] == ["w1 w2 w3.", "w4 w5 w6."]


def test_the_end_of_the_audio_closes_the_open_segment_by_its_rule() -> None:
    audio = talk(1, 3)
    assert endpoints(transcribe_scripted(audio)) == [Endpoint(0, Rule.END_OF_AUDIO, len(audio))]


def test_a_session_is_finished_only_when_its_last_final_is_out() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    feed(session, recognizer, talk(1, 3))
    session.receive_eof()
    step = session.step_wanted()
    assert step is not None
    assert not session.finished
    session.step_done(recognizer.run([step])[0])
    assert isinstance(session.take_events()[-1], Final)
    assert session.finished


def test_after_the_end_everything_is_decided_and_settled() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    audio = join(talk(1, 3), silence(2.017))
    feed(session, recognizer, audio)
    end(session, recognizer)
    assert session.heard_at == session.decided_at == session.settled_at == len(audio)


# --- what is promised


@pytest.mark.parametrize("commit", Commit)
def test_every_start_of_speech_has_exactly_one_final(commit: Commit) -> None:
    audio = join(talk(1, 50), silence(2), word(51), silence(1), talk(52, 60))
    options = SessionOptions(max_segment_ms=5_000, commit=commit)
    events = transcribe_scripted(audio, options)
    started = [event.segment for event in events if isinstance(event, SpeechStarted)]
    assert started == [final.segment for final in finals(events)] == list(range(len(started)))


def test_a_segment_without_text_still_has_its_final() -> None:
    events = transcribe_scripted(join(talk(1, 3), silence(2)), model=FixedModel(()))
    assert outline(events) == ["SpeechStarted", "Endpoint", "Final"]
    assert finals(events)[0].text == ""


def test_a_segment_without_text_shows_no_partial() -> None:
    events = transcribe_scripted(join(talk(1, 9), silence(2)), model=FixedModel(()))
    assert partials(events) == []


def test_partials_switched_off_give_the_finals_alone() -> None:
    audio = join(talk(1, 50), silence(0.5), talk(51, 60), silence(2))
    events = transcribe_scripted(audio, SessionOptions(partials=False))
    assert partials(events) == []
    assert spoken(events) == words_from(1, 60)


def test_partials_switched_off_cost_no_steps_while_somebody_talks() -> None:
    model = ScriptedModel()
    audio = talk(1, 20)
    transcribe_scripted(join(audio, silence(2)), SessionOptions(partials=False), model)
    assert min(step.due_at for step in model.steps) > len(audio)


def test_text_is_committed_while_somebody_talks() -> None:
    assert partials(transcribe_scripted(talk(1, 40)))[-1].committed > 0


def test_with_commit_final_nothing_is_promised() -> None:
    audio = join(talk(1, 60), silence(0.5), talk(61, 99))
    events = transcribe_scripted(audio, SessionOptions(commit=Commit.FINAL, window_ms=6_000))
    assert partials(events)
    assert {partial.committed for partial in partials(events)} == {0}


def test_a_partial_that_says_nothing_new_is_not_sent() -> None:
    model = FixedModel((1, 2))
    events = transcribe_scripted(join(talk(1, 30), silence(2)), SessionOptions(), model)
    shown = [(partial.text, partial.committed) for partial in partials(events)]
    assert len(shown) == len(set(shown)) > 0


class BreaksItsPromise(ScriptedModel):
    """Decodes a final as something else, unless earlier words are forced."""

    def _run_one(self, step: DecodeStep) -> DecodeResult:
        if step.kind is StepKind.FINAL and not step.forced:
            return DecodeResult((900,), (-0.1,), ended=True)
        return super()._run_one(step)


def test_a_final_waits_for_the_look_that_keeps_its_promise() -> None:
    events = transcribe_scripted(talk(1, 40), model=BreaksItsPromise())
    promised = partials(events)[-1]
    assert promised.committed > 0
    assert finals(events)[0].text.startswith(promised.text[: promised.committed])
    assert spoken(events) == words_from(1, 40)


def test_what_is_heard_again_is_the_same_audio_behind_a_little_silence() -> None:
    model = ScriptedModel()
    model.log_prob_of = {k: 2 * SURE_LOG_PROB for k in range(1, 11)}
    transcribe_scripted(talk(1, 10), SessionOptions(partials=False), model)
    first, again = model.steps[-2:]
    assert not again.samples[:LEAD_LEN].any()
    assert again.samples[LEAD_LEN:].tolist() == first.samples.tolist()


# --- positions


def test_settled_audio_is_never_part_of_an_open_or_coming_segment() -> None:
    audio = join(silence(1), talk(1, 40), silence(0.5), talk(41, 50), silence(3), talk(51, 60))
    recognizer = make_recognizer()
    session = recognizer.open(SessionOptions(max_segment_ms=6_000))
    settled: list[tuple[int, int]] = []  # (finals before, settled_at)
    events: list[Event] = []
    for start in range(0, len(audio), 700):
        events += feed(session, recognizer, audio[start : start + 700])
        settled.append((len(finals(events)), session.settled_at))
    events += end(session, recognizer)
    for finals_before, settled_at in settled:
        for final in finals(events)[finals_before:]:
            assert settled_at <= final.start_at


def test_settled_at_follows_silence() -> None:
    recognizer = make_recognizer()
    session = recognizer.open(SessionOptions(pre_roll_ms=300))
    feed(session, recognizer, silence(30))
    assert session.settled_at == session.decided_at - ms_to_len(300)


def test_one_step_is_in_flight_at_a_time() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    session.receive_audio(talk(1, 30))
    assert session.step_wanted() is not None
    assert session.step_wanted() is None


def test_no_decision_is_taken_past_a_step_in_flight() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    session.receive_audio(talk(1, 9))
    assert session.step_wanted() is not None
    decided_at = session.decided_at
    session.take_events()
    session.receive_audio(join(talk(10, 19), silence(5)))
    assert session.take_events() == []
    assert session.decided_at == decided_at


def test_a_step_that_failed_can_be_run_again_and_nothing_is_lost() -> None:
    audio = join(talk(1, 30), silence(2))
    recognizer = make_recognizer()
    session = recognizer.open()
    events: list[Event] = []
    for start in range(0, len(audio), SAMPLE_RATE):
        session.receive_audio(audio[start : start + SAMPLE_RATE])
        while (step := session.step_wanted()) is not None:
            events += session.take_events()  # the model fails; the caller asks again
            assert session.step_wanted() is None
            session.step_done(recognizer.run([step])[0])
        events += session.take_events()
    assert events + end(session, recognizer) == transcribe_scripted(audio)


def test_a_step_is_due_where_it_was_decided() -> None:
    session = make_recognizer().open()
    session.receive_audio(talk(1, 9))
    step = session.step_wanted()
    assert step is not None
    assert step.due_at == session.decided_at


# --- bounds


def test_audio_that_waits_too_long_is_refused_and_the_rest_kept() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    session.receive_audio(join(talk(1, 9), silence(2)))
    heard_at = session.heard_at
    with pytest.raises(BacklogExceeded):
        session.receive_audio(np.zeros(DEFAULT_CAPACITY_LEN, dtype=np.float32))
    assert session.heard_at == heard_at
    assert spoken(list(drive(session, recognizer))) == words_from(1, 9)


def test_memory_stays_bounded_over_an_hour() -> None:
    options = SessionOptions(hop_ms=2_000)
    recognizer = Recognizer(ScriptedModel(), lambda: ScriptedVad(4_800), options)
    session = recognizer.open()
    minute = join(talk(1, 100), silence(0.5), talk(101, 130), silence(20))
    for _ in range(60):
        feed(session, recognizer, minute)
        assert isinstance(session._policy, Seq2SeqPolicy)
        transcript = session._policy._transcript
        kept_len = session.heard_at - session._timeline.start_at
        assert kept_len <= ms_to_len(options.window_ms + options.pre_roll_ms + 5_000)
        assert len(transcript.tokens) == len(transcript.log_probs) <= 300
        assert len(transcript.marks) <= 100
        assert len(session._segmenter.voiced) <= 100


def test_a_long_wait_for_the_endpoint_asks_for_no_audio_that_is_gone() -> None:
    options = SessionOptions(
        window_ms=4_000, endpoint_silence_ms=10_000, soft_pause_ms=200, hop_ms=200
    )
    audio = join(talk(1, 2), silence(0.5), talk(3, 8), silence(11.0))
    assert spoken(transcribe_scripted(audio, options)) == words_from(1, 8)
