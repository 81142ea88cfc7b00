"""The dialogue whose connection breaks, and whether it is resumed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes_dialogue import CONTINUED, FRESH, INTERNAL, asked, broken, go_on, opened
from fakes_wire_server import READY
from streamscribe_client.breaks import MAX_INTERNAL, Broken
from streamscribe_client.dialogue import Dialogue, Phase
from streamscribe_client.errors import ConnectionLost, ServerBusy, ServerError
from streamscribe_client.stream_options import Perseverance, start_message
from streamscribe_protocol.errors import ProtocolError
from streamscribe_protocol.messages import Ack, Error, SpeechStarted, encode

ANSWERS = st.builds(
    lambda answer, seq, at: encode(replace(answer, seq=seq, send_from_at=at)),
    st.sampled_from([CONTINUED, FRESH, READY]),
    seq=st.integers(-1, 3),
    at=st.integers(-2, 5),
) | st.builds(
    lambda code, fatal: encode(Error(2, code, "scripted", fatal=fatal)),
    st.sampled_from(["internal", "restarting", "overloaded", "idle_timeout"]),
    st.booleans(),
)
"""Frames that a server might answer a resume with, right or wrong."""


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013])
def test_these_close_codes_are_reasons_to_resume(code: int) -> None:
    assert broken(code).phase is Phase.BROKEN


@pytest.mark.parametrize("code", [1000, 1009, 4400, 4404, 4408, 4409, 4410, 4415, 4429])
def test_other_close_codes_end_the_dialogue(code: int) -> None:
    dialogue = opened()
    assert isinstance(dialogue.closed(code, ""), ConnectionLost)
    assert dialogue.phase is Phase.OVER


@pytest.mark.parametrize("code", ["internal", "restarting", "overloaded"])
def test_these_fatal_errors_are_reasons_to_resume(code: str) -> None:
    dialogue = opened()
    with pytest.raises(Broken):
        dialogue.receive(encode(replace(INTERNAL, code=code)))
    assert dialogue.phase is Phase.BROKEN


@pytest.mark.parametrize("code", ["idle_timeout", "invalid_option", "slow_reader"])
def test_other_fatal_errors_are_the_servers_last_word(code: str) -> None:
    dialogue = opened()
    with pytest.raises(ServerError, match=code):
        dialogue.receive(encode(replace(INTERNAL, code=code)))
    assert dialogue.phase is Phase.OVER


def test_nothing_is_resumed_that_never_was_open() -> None:
    dialogue = Dialogue(start_message({}))
    assert isinstance(dialogue.closed(1013, "retry after 3 s"), ServerBusy)
    with pytest.raises(ServerError, match="out of memory"):
        Dialogue(start_message({})).receive(encode(replace(INTERNAL, seq=1)))


def test_nothing_is_resumed_if_that_is_not_wanted() -> None:
    assert isinstance(opened(Perseverance(resume=False)).closed(1006, ""), ConnectionLost)


def test_a_refusal_is_not_numbered_and_may_be_temporary() -> None:
    dialogue = broken()
    dialogue.opening()
    with pytest.raises(Broken) as caught:
        dialogue.receive(encode(replace(INTERNAL, seq=1, code="overloaded")))
    assert isinstance(caught.value.cause, ServerBusy)
    assert asked(dialogue)["last_seq"] == 1


def fail_inside(dialogue: Dialogue, seq: int) -> None:
    dialogue.receive(encode(replace(INTERNAL, seq=seq)))


def test_a_server_that_fails_again_and_again_is_given_up() -> None:
    dialogue = opened()
    for seq in range(2, MAX_INTERNAL + 2):
        with pytest.raises(Broken):
            fail_inside(dialogue, seq)
        go_on(dialogue, seq)
    with pytest.raises(ServerError, match="internal: out of memory"):
        fail_inside(dialogue, MAX_INTERNAL + 2)


def test_a_server_that_gets_on_in_between_is_given_another_chance() -> None:
    dialogue = opened()
    dialogue.audio(memoryview(bytes(2_000)))
    for seq in range(2, 42, 2):
        dialogue.next_frame()
        dialogue.receive(encode(Ack(seq, at=seq)))
        with pytest.raises(Broken):
            fail_inside(dialogue, seq + 1)
        dialogue.opening()
        dialogue.receive(encode(replace(FRESH, seq=seq + 1, send_from_at=seq)))


def test_audio_that_overflows_while_the_server_makes_up_its_mind_is_kept_for_it() -> None:
    dialogue = opened(Perseverance(buffer_s=10 / 16_000))
    dialogue.audio(memoryview(bytes(20)))
    dialogue.closed(1006, "")
    dialogue.opening()
    dialogue.audio(memoryview(bytes(20)))
    dialogue.receive(encode(FRESH))
    assert dialogue.next_frame() == bytes(40)


def test_lost_audio_before_the_open_segment_is_silence_that_was_heard() -> None:
    dialogue = opened(Perseverance(buffer_s=1))
    dialogue.audio(memoryview(bytes(32_000)))
    dialogue.receive(encode(SpeechStarted(2, 0, at_ms=400)))
    dialogue.closed(1006, "")
    dialogue.audio(memoryview(bytes(9_600)))  # 300 ms overflow
    assert (asked(dialogue)["from_at"], asked(dialogue)["acked_at"]) == (4_800, 4_800)


def test_lost_audio_of_the_open_segment_is_a_gap() -> None:
    dialogue = opened(Perseverance(buffer_s=1))
    dialogue.audio(memoryview(bytes(32_000)))
    dialogue.receive(encode(SpeechStarted(2, 0, at_ms=400)))
    dialogue.closed(1006, "")
    dialogue.audio(memoryview(bytes(16_000)))  # 500 ms overflow
    assert (asked(dialogue)["from_at"], asked(dialogue)["acked_at"]) == (8_000, 6_400)


def test_if_far_too_much_overflows_another_offer_is_made() -> None:
    dialogue = opened(Perseverance(buffer_s=10 / 16_000))
    dialogue.closed(1006, "")
    dialogue.opening()
    dialogue.audio(memoryview(bytes(42)))
    with pytest.raises(Broken, match="the audio that was offered is gone"):
        dialogue.receive(encode(FRESH))
    assert asked(dialogue)["from_at"] == 1


def test_where_send_waits_there_is_room_for_the_longest_segment() -> None:
    dialogue = opened(Perseverance(buffer_s=1, overflow="wait"))
    longest_s = READY.options.max_segment_ms / 1_000
    dialogue.audio(memoryview(bytes(round(32_000 * longest_s))))
    assert dialogue.has_room
    dialogue.audio(memoryview(bytes(32_000 * 10)))
    assert not dialogue.has_room


@given(frames=st.lists(st.text(max_size=50) | st.binary(max_size=9) | ANSWERS, max_size=4))
def test_whatever_answers_a_resume_only_known_errors_come_out(frames: list[str | bytes]) -> None:
    dialogue = broken()
    dialogue.opening()
    for frame in frames:
        try:
            dialogue.receive(frame)
        except Broken:
            assert dialogue.phase is Phase.BROKEN
        except (ProtocolError, ServerError, ServerBusy):
            assert dialogue.phase is Phase.OVER
            break
