"""The dialogue over several connections; audio and messages in any order: tests/properties."""

import json
from dataclasses import replace

import pytest

from fakes_dialogue import CONTINUED, FRESH, asked, broken, go_on, opened
from fakes_wire_server import READY, final
from streamscribe_client.dialogue import Dialogue, Phase
from streamscribe_client.stream_options import start_message
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import (
    Ack,
    Done,
    Error,
    Finish,
    Flushed,
    Gap,
    Heartbeat,
    KeepAlive,
    Partial,
    SpeechStarted,
    encode,
)


def test_the_first_opening_resumes_nothing() -> None:
    assert asked(Dialogue(start_message({}))) is None


def test_a_resume_says_what_came_and_what_is_still_there() -> None:
    dialogue = opened()
    dialogue.audio(memoryview(bytes(40)))
    dialogue.next_frame()
    dialogue.receive(encode(SpeechStarted(2, 0, 0)))
    dialogue.receive(encode(Partial(3, 0, "Ask not", 3, (), 0)))
    dialogue.receive(encode(Ack(4, at=8)))
    dialogue.closed(1006, "")
    dialogue.audio(memoryview(bytes(7)))
    assert asked(dialogue) == {
        "token": "t-1",
        "from_at": 8,
        "acked_at": 8,
        "last_seq": 4,
        "next_segment": 0,
        "segment_open": True,
        "committed_text": "Ask",
        "context_text": "",
        "heard_at": 23,
    }


def test_the_options_of_the_stream_are_said_again() -> None:
    assert json.loads(broken().opening())["hotwords"] == ["Ada"]


def test_what_is_said_during_a_break_waits_for_the_answer() -> None:
    dialogue = broken()
    dialogue.audio(memoryview(b"abcd"))
    dialogue.finish()
    assert dialogue.next_frame() is None
    dialogue.opening()
    assert dialogue.next_frame() is None
    dialogue.receive(encode(CONTINUED))
    assert [dialogue.next_frame() for _ in range(3)] == [b"abcd", encode(Finish()), None]


def test_nothing_can_be_said_after_finish_though_the_connection_is_broken() -> None:
    dialogue = broken()
    dialogue.finish()
    with pytest.raises(LocalProtocolError, match="can't flush: the audio was finished already"):
        dialogue.flush()


def test_the_numbers_go_on_after_a_resume() -> None:
    dialogue = broken()
    dialogue.opening()
    assert dialogue.receive(encode(CONTINUED)) is None
    assert dialogue.receive(encode(SpeechStarted(2, 0, 0))) == SpeechStarted(2, 0, 0)


@pytest.mark.parametrize("seq", [2, 0])
def test_an_answer_that_knows_another_number_is_of_another_session(seq: int) -> None:
    dialogue = broken()
    dialogue.opening()
    with pytest.raises(RemoteProtocolError, match=f"message {seq} came; expected 1"):
        dialogue.receive(encode(replace(CONTINUED, seq=seq)))


def test_a_server_that_takes_a_resume_for_a_new_stream_is_not_followed() -> None:
    dialogue = broken()
    dialogue.opening()
    with pytest.raises(RemoteProtocolError, match="answered as if new"):
        dialogue.receive(encode(READY))
    assert dialogue.phase is Phase.OVER


@pytest.mark.parametrize("at", [-1, 3])
def test_a_server_can_not_ask_for_audio_that_was_not_offered(at: int) -> None:
    dialogue = opened()
    dialogue.audio(memoryview(bytes(5)))
    dialogue.closed(1006, "")
    dialogue.opening()
    with pytest.raises(RemoteProtocolError, match=f"sample {at} on; offered: 0 to 2"):
        dialogue.receive(encode(replace(FRESH, send_from_at=at)))


def test_a_fresh_session_has_a_name_and_a_token_of_its_own() -> None:
    dialogue = broken()
    dialogue.opening()
    dialogue.receive(encode(FRESH))
    dialogue.closed(1006, "")
    assert (dialogue.ready, asked(dialogue)["token"]) == (FRESH, "t-2")


def test_an_open_segment_is_not_announced_again() -> None:
    dialogue = opened()
    dialogue.receive(encode(SpeechStarted(2, 0, 0)))
    dialogue.closed(1006, "")
    dialogue.opening()
    dialogue.receive(encode(replace(FRESH, seq=2)))
    with pytest.raises(RemoteProtocolError, match="SpeechStarted 3 of segment 0"):
        dialogue.receive(encode(SpeechStarted(3, 0, 0)))


def test_hotwords_that_can_not_be_followed_are_not_said_again() -> None:
    dialogue = opened()
    dialogue.hotwords(["Lovelace"])
    dialogue.next_frame()
    dialogue.receive(encode(Error(2, "invalid_option", "no hotwords", fatal=False)))
    dialogue.closed(1006, "")
    go_on(dialogue, 2)
    assert dialogue.next_frame() is None


def test_a_gap_is_an_event() -> None:
    assert opened().receive(encode(Gap(2, 100, 200))) == Gap(2, 100, 200)


def test_a_heartbeat_is_no_event_and_has_no_number_of_its_own() -> None:
    dialogue = opened()
    heartbeat = Heartbeat(1, received_at=0, heard_ms=0, lag_ms=0, realtime_factor=0.1)
    assert dialogue.receive(encode(heartbeat)) is None
    assert dialogue.health == heartbeat
    assert dialogue.receive(encode(SpeechStarted(2, 0, 0))) is not None


def test_a_client_with_nothing_to_send_says_that_it_is_there() -> None:
    dialogue = opened()
    dialogue.keep_alive()
    assert [dialogue.next_frame(), dialogue.next_frame()] == [encode(KeepAlive()), None]


def test_audio_is_a_sign_of_life_too() -> None:
    dialogue = opened()
    dialogue.keep_alive()
    dialogue.audio(memoryview(b"ab"))
    assert [dialogue.next_frame(), dialogue.next_frame()] == [b"ab", None]


def test_after_finish_it_is_the_servers_turn() -> None:
    dialogue = opened()
    dialogue.finish()
    dialogue.next_frame()
    dialogue.keep_alive()
    assert dialogue.next_frame() is None


def test_what_was_done_while_the_connection_was_broken_ends_the_dialogue() -> None:
    dialogue = opened()
    flush_id = dialogue.flush()
    dialogue.finish()
    dialogue.closed(1006, "")
    dialogue.opening()
    dialogue.receive(encode(CONTINUED))
    assert dialogue.receive(encode(final(2))) == final(2)
    assert dialogue.receive(encode(Flushed(3, flush_id))) == Flushed(3, flush_id)
    assert dialogue.receive(encode(Done(4, 0))) is None
    assert dialogue.phase is Phase.OVER


def test_nothing_but_ready_or_an_error_answers_a_resume() -> None:
    dialogue = broken()
    dialogue.opening()
    with pytest.raises(RemoteProtocolError, match="SpeechStarted came, but the connection broke"):
        dialogue.receive(encode(SpeechStarted(2, 0, 0)))
