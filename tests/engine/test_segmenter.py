"""Where segments open, pause and close. Each letter is a frame of 30 ms: ``V`` voiced, ``.`` not.

Options in these tests: speech is 3 frames, a soft pause 4, the endpoint 20 frames of silence.
"""

from fakes import FRAME_LEN
from streamscribe.continuation import PATIENCE_LEN
from streamscribe.events import Rule
from streamscribe.options import SessionOptions
from streamscribe.segmenter import (
    AHEAD_LEN,
    Closed,
    Ending,
    Opened,
    Paused,
    Segmenter,
    Turn,
    endpoint_rules,
)
from streamscribe.timeline import ms_to_len
from streamscribe.words import Span

OPTIONS = SessionOptions(
    min_speech_ms=90, soft_pause_ms=120, endpoint_silence_ms=600, pre_roll_ms=300
)


ENDING = -(-(ms_to_len(600) - AHEAD_LEN) // FRAME_LEN)
"""Frames of silence after which the endpoint is near."""


def hear(segmenter: Segmenter, script: str, frame: int = 0) -> list[tuple[int, Turn]]:
    """The turns, each with the index of the frame that made it."""
    turns: list[tuple[int, Turn]] = []
    for index, letter in enumerate(script, start=frame):
        probability = 0.9 if letter == "V" else 0.0
        turn = segmenter.receive(probability, index * FRAME_LEN, FRAME_LEN)
        if turn is not None:
            turns.append((index, turn))
            if isinstance(turn, Closed):
                segmenter.close((index + 1) * FRAME_LEN, (index + 1) * FRAME_LEN)
    return turns


def test_speech_opens_a_segment_with_its_pre_roll() -> None:
    turns = hear(Segmenter(OPTIONS), "." * 20 + "VVV")
    assert turns == [(22, Opened(start_at=10 * FRAME_LEN, onset_at=20 * FRAME_LEN))]


def test_less_than_the_shortest_speech_opens_nothing() -> None:
    segmenter = Segmenter(OPTIONS)
    assert hear(segmenter, "...VV......") == []
    assert not segmenter.is_open


def test_a_pause_is_told_once() -> None:
    assert hear(Segmenter(OPTIONS), "VVVV.....")[1:] == [(7, Paused())]


def test_an_endpoint_that_is_near_is_told_once_with_where_the_silence_began() -> None:
    turns = hear(Segmenter(OPTIONS), "VVVV" + "." * 19)
    assert turns[2:] == [(3 + ENDING, Ending(voiced_until_at=4 * FRAME_LEN))]


def test_a_pause_as_long_as_the_endpoint_is_told_as_the_ending_alone() -> None:
    options = SessionOptions(soft_pause_ms=300, endpoint_silence_ms=300)
    segmenter = Segmenter(options)
    assert not any(isinstance(turn, Paused) for _, turn in hear(segmenter, "VVVV" + "." * 20))


def test_speech_makes_room_for_the_next_ending() -> None:
    script = "VVVV" + "." * 19 + "VVV" + "." * 19
    told = [turn for _, turn in hear(Segmenter(OPTIONS), script) if isinstance(turn, Ending)]
    assert told == [Ending(4 * FRAME_LEN), Ending(26 * FRAME_LEN)]


def test_speech_after_a_pause_makes_room_for_the_next_pause() -> None:
    turns = hear(Segmenter(OPTIONS), "VVVV....VVV....")
    assert [turn for _, turn in turns[1:]] == [Paused(), Paused()]


def test_a_segment_of_the_shortest_speech_has_its_pause_and_its_ending() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVV" + "." * 20)
    turns = hear(segmenter, "VVV" + "." * 20, 23)
    assert [type(turn) for _, turn in turns] == [Opened, Paused, Ending, Closed]


def test_a_paused_segment_is_open_but_not_talking() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV....")
    assert segmenter.is_open
    assert not segmenter.is_talking


def test_a_segment_talks_again_after_a_pause() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV....VV")
    assert segmenter.is_talking


def test_a_lone_voiced_frame_does_not_end_a_pause() -> None:
    turns = hear(Segmenter(OPTIONS), "VVVV....V" + "." * 15)
    assert turns[-1] == (23, Closed(Rule.SILENCE))


def test_silence_as_long_as_the_rule_closes_the_segment() -> None:
    assert hear(Segmenter(OPTIONS), "VVVV" + "." * 20)[-1] == (23, Closed(Rule.SILENCE))


def test_silence_is_not_over_while_voiced_frames_may_yet_be_speech() -> None:
    turns = hear(Segmenter(OPTIONS), "VVVV" + "." * 19 + "VV")
    assert not any(isinstance(turn, Closed) for _, turn in turns)


def test_a_segment_of_the_longest_length_is_closed_while_somebody_talks() -> None:
    options = SessionOptions(max_segment_ms=4_000, pre_roll_ms=0)
    frames = ms_to_len(4_000) // FRAME_LEN + 1
    turns = hear(Segmenter(options), "V" * frames)
    assert turns[-1] == (frames - 1, Closed(Rule.MAX_LENGTH))


def test_silence_names_the_endpoint_when_both_rules_fire() -> None:
    silence, max_length = endpoint_rules(SessionOptions())
    assert (silence.rule, max_length.rule) == (Rule.SILENCE, Rule.MAX_LENGTH)


def test_speech_goes_on_in_the_next_segment_at_once() -> None:
    options = SessionOptions(max_segment_ms=4_000, pre_roll_ms=0)
    segmenter = Segmenter(options)
    frames = ms_to_len(4_000) // FRAME_LEN + 1
    hear(segmenter, "V" * frames)
    ((_, opened),) = hear(segmenter, "VVVVVV", frames)
    assert opened == Opened(frames * FRAME_LEN, frames * FRAME_LEN)


def test_the_next_segment_never_begins_before_the_end_of_the_last() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV" + "." * 20)
    ((_, opened),) = hear(segmenter, "VVV", 24)
    assert isinstance(opened, Opened)
    assert opened.start_at == 24 * FRAME_LEN


def test_voiced_spans_leave_the_pauses_out() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "..VVVV....VVV.")
    assert segmenter.voiced == [
        Span(2 * FRAME_LEN, 6 * FRAME_LEN),
        Span(10 * FRAME_LEN, 13 * FRAME_LEN),
    ]


def test_voiced_spans_leave_out_what_was_too_short_to_believe() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV..V....")
    assert segmenter.voiced == [Span(0, 4 * FRAME_LEN)]


def test_every_segment_has_its_own_voiced_spans() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV" + "." * 24 + "VVVV")
    assert segmenter.voiced == [Span(28 * FRAME_LEN, 32 * FRAME_LEN)]


def test_silence_reaches_a_pre_roll_before_what_was_heard() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "." * 40)
    at = 40 * FRAME_LEN
    assert segmenter.silence_from(at) == at - ms_to_len(300)


def test_silence_ends_a_pre_roll_before_frames_that_may_be_speech() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "." * 40 + "VV")
    assert segmenter.silence_from(42 * FRAME_LEN) == 40 * FRAME_LEN - ms_to_len(300)


def test_silence_does_not_begin_before_the_last_segment_ended() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV" + "." * 20)
    assert segmenter.silence_from(24 * FRAME_LEN) == 24 * FRAME_LEN


def test_silence_behind_the_end_of_a_segment_may_be_the_next_ones_pre_roll() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVV...")
    assert segmenter.close(5 * FRAME_LEN, 7 * FRAME_LEN) is None
    ((_, opened),) = hear(segmenter, ".VVV", 7)
    assert opened == Opened(start_at=5 * FRAME_LEN, onset_at=8 * FRAME_LEN)


def test_speech_behind_the_end_of_a_segment_opens_the_next_at_once() -> None:
    segmenter = Segmenter(OPTIONS)
    hear(segmenter, "VVVVVV.")
    assert segmenter.close(4 * FRAME_LEN, 7 * FRAME_LEN) == Opened(4 * FRAME_LEN, 4 * FRAME_LEN)


# --- reopened


def reopened(script: str, *, behind: bool) -> list[tuple[int, Turn]]:
    """The turns of a segment that is open from frame 0 on."""
    segmenter = Segmenter(OPTIONS)
    segmenter.reopen(0)
    turns: list[tuple[int, Turn]] = []
    for index, letter in enumerate(script):
        voice = 0.9 if letter == "V" else 0.0
        turn = segmenter.receive(voice, index * FRAME_LEN, FRAME_LEN, behind=behind)
        if turn is not None:
            turns.append((index, turn))
    return turns


PATIENT = -(-(PATIENCE_LEN + ms_to_len(300 + 600)) // FRAME_LEN)
"""Frames of silence that close a segment which nobody has spoken in again."""


def test_a_reopened_segment_waits_longer_for_voice_than_the_endpoint() -> None:
    assert reopened("." * PATIENT, behind=False) == [(PATIENT - 1, Closed(Rule.SILENCE))]


def test_voice_in_a_reopened_segment_opens_nothing() -> None:
    assert reopened("." * 40 + "VVVV", behind=False) == []


def test_after_voice_a_reopened_segment_is_like_any_other() -> None:
    turns = reopened("..VVVV" + "." * 20, behind=False)
    assert turns[-1] == (25, Closed(Rule.SILENCE))
    assert [type(turn) for _, turn in turns] == [Paused, Ending, Closed]


def test_while_text_is_still_to_be_heard_again_silence_must_last_longer() -> None:
    turns = reopened("..VVVV" + "." * PATIENT, behind=True)
    assert turns[-1] == (5 + PATIENT, Closed(Rule.SILENCE))


def test_while_text_is_still_to_be_heard_again_a_segment_may_be_longer() -> None:
    longest = (ms_to_len(30_000) + PATIENCE_LEN + ms_to_len(300)) // FRAME_LEN
    assert reopened("V" * 1_100, behind=True)[0] == (longest, Closed(Rule.MAX_LENGTH))
