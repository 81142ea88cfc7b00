import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes_wire_server import READY, final
from streamscribe_client.dialogue import Dialogue, Phase
from streamscribe_client.errors import ConnectionLost, ServerBusy, ServerError
from streamscribe_client.stream_options import Perseverance, StreamOptions, start_message
from streamscribe_protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import (
    Ack,
    Done,
    Endpointing,
    Error,
    Finish,
    Flush,
    Partial,
    ServerMessage,
    SpeechStarted,
    Start,
    encode,
)

NEVER_RESUMED = Perseverance(resume=False)


def opened_dialogue(perseverance: Perseverance = NEVER_RESUMED) -> Dialogue:
    dialogue = Dialogue(start_message({}), perseverance)
    dialogue.opening()
    dialogue.receive(encode(READY))
    return dialogue


def test_the_defaults_are_16_khz_mono_pcm16() -> None:
    opening = json.loads(Dialogue(start_message({})).opening())
    assert opening["type"] == "start"
    assert opening["audio"] == {"encoding": "pcm_s16le", "rate": 16_000, "channels": 1}


def test_every_option_reaches_the_start_message() -> None:
    options: StreamOptions = {
        "rate": 44_100,
        "encoding": "pcm_f32le",
        "channels": 2,
        "language": "en",
        "task": "translate",
        "prompt": "Ada Lovelace",
        "partials": False,
        "commit": "final",
        "commit_by": "alignment",
        "endpointing": Endpointing(silence_ms=500),
        "latency": "low",
        "search": "sample",
        "beam_size": 3,
        "temperature": 0.5,
        "hotwords": ("Moonshine",),
    }
    start = start_message(options)
    assert (start.audio.rate, start.audio.encoding, start.audio.channels) == (
        44_100,
        "pcm_f32le",
        2,
    )
    assert (start.language, start.partials, start.commit) == ("en", False, "final")
    assert start.endpointing == Endpointing(silence_ms=500)
    assert start.hotwords == ("Moonshine",)
    assert (start.task, start.prompt, start.commit_by) == ("translate", "Ada Lovelace", "alignment")
    assert (start.latency, start.search, start.beam_size) == ("low", "sample", 3)
    assert start.temperature == 0.5


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"sample_rate": 16_000},
            "unknown option sample_rate; allowed: api_key, beam_size, buffer_s, channels",
        ),
        ({"task": "sing"}, 'allowed: "transcribe" or "translate"'),
        ({"beam_size": 2.5}, r"start\.beam_size is 2\.5; allowed: an integer"),
        ({"rate": "16k"}, r"start\.audio\.rate is '16k'; allowed: an integer"),
        ({"commit": "never"}, 'allowed: "append" or "final"'),
        ({"hotwords": {"a"}}, "can't be sent"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(
    options: Any,  # noqa: ANN401
    complaint: str,
) -> None:
    with pytest.raises(LocalProtocolError, match=complaint):
        start_message(options)


def test_what_is_said_is_sent_in_order() -> None:
    dialogue = opened_dialogue()
    dialogue.audio(memoryview(b"ab"))
    flush_id = dialogue.flush()
    dialogue.audio(memoryview(b"cd"))
    dialogue.finish()
    assert [dialogue.next_frame() for _ in range(5)] == [
        b"ab",
        encode(Flush(flush_id)),
        b"cd",
        encode(Finish()),
        None,
    ]


def test_flushes_have_ids_of_their_own() -> None:
    dialogue = opened_dialogue()
    assert dialogue.flush() != dialogue.flush()


def test_nothing_can_be_sent_after_finish() -> None:
    dialogue = opened_dialogue()
    dialogue.finish()
    for misuse in (lambda: dialogue.audio(memoryview(b"ab")), dialogue.flush, dialogue.finish):
        with pytest.raises(LocalProtocolError, match="finished already"):
            misuse()


def test_audio_waits_for_the_servers_answer() -> None:
    with pytest.raises(LocalProtocolError, match="not answered start yet"):
        Dialogue(start_message({})).audio(memoryview(b"ab"))


def test_events_for_the_caller_are_given_back_and_bookkeeping_is_not() -> None:
    dialogue = opened_dialogue()
    assert dialogue.receive(encode(Ack(2, at=160))) is None
    assert dialogue.receive(encode(SpeechStarted(3, 0, 0))) == SpeechStarted(3, 0, 0)
    assert dialogue.receive(encode(Error(4, "finished", "late audio", fatal=False))) is not None


def test_finals_and_acks_say_what_may_be_forgotten() -> None:
    dialogue = opened_dialogue()
    dialogue.receive(encode(Ack(2, at=160)))
    assert dialogue.acknowledged_at == 160
    dialogue.receive(encode(final(3)))
    assert dialogue.acknowledged_at == 14_400


def test_messages_of_unknown_types_are_ignored_but_counted() -> None:
    dialogue = opened_dialogue()
    assert dialogue.receive('{"type": "colour", "seq": 2}') is None
    assert dialogue.receive(encode(SpeechStarted(3, 0, 0))) is not None


@pytest.mark.parametrize("seq", [1, 3])
def test_a_message_out_of_number_is_a_sequence_gap(seq: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"message {seq} came; expected 2") as caught:
        opened_dialogue().receive(encode(SpeechStarted(seq, 0, 0)))
    assert caught.value.code == "sequence_gap"


@pytest.mark.parametrize("message", [READY, Done(2, audio_ms=0)])
def test_a_message_that_is_not_allowed_now_breaks_the_protocol(message: ServerMessage) -> None:
    dialogue = opened_dialogue()
    with pytest.raises(RemoteProtocolError):
        dialogue.receive(encode(message).replace('"seq":1', '"seq":2'))


def test_nothing_but_ready_or_an_error_answers_start() -> None:
    with pytest.raises(RemoteProtocolError, match="Partial came"):
        Dialogue(start_message({})).receive(encode(Partial(1, 0, "", 0, (), 0)))


def test_a_server_sends_no_binary_frames() -> None:
    with pytest.raises(RemoteProtocolError, match="binary frame of 3 bytes"):
        opened_dialogue().receive(b"abc")


def test_a_fatal_error_is_raised_with_the_servers_words() -> None:
    refused = Error(1, "unsupported_rate", "sample rate 0 Hz is not supported", fatal=True)
    with pytest.raises(ServerError, match="unsupported_rate: sample rate 0 Hz") as caught:
        Dialogue(start_message({})).receive(encode(refused))
    assert caught.value.code == "unsupported_rate"


def test_an_overloaded_server_is_busy_rather_than_broken() -> None:
    with pytest.raises(ServerBusy):
        opened_dialogue().receive(encode(Error(2, "overloaded", "full", fatal=True)))


def test_after_a_fatal_error_nothing_can_be_sent() -> None:
    dialogue = opened_dialogue()
    with pytest.raises(ServerError):
        dialogue.receive(encode(Error(2, "internal", "oops", fatal=True)))
    with pytest.raises(LocalProtocolError, match="over"):
        dialogue.audio(memoryview(b"ab"))


def test_a_connection_that_closes_early_is_lost_with_code_and_reason() -> None:
    lost = opened_dialogue().closed(1012, "deploying")
    assert isinstance(lost, ConnectionLost)
    assert str(lost).endswith("close code 1012 (restarting), deploying")


@pytest.mark.parametrize(("reason", "retry_after_s"), [("retry after 5 s", 5), ("full", None)])
def test_close_code_1013_means_busy(reason: str, retry_after_s: int | None) -> None:
    busy = opened_dialogue().closed(1013, reason)
    assert isinstance(busy, ServerBusy)
    assert busy.retry_after_s == retry_after_s


@given(frames=st.lists(st.text(max_size=50) | st.binary(max_size=9), max_size=4))
def test_whatever_a_server_sends_only_protocol_errors_come_out(frames: list[str | bytes]) -> None:
    dialogue = Dialogue(Start(audio=start_message({}).audio))
    for frame in frames:
        try:
            dialogue.receive(frame)
        except ProtocolError:
            assert dialogue.phase is Phase.OVER
            break
