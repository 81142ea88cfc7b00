import json

import pytest

from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.messages import (
    AudioFormat,
    Endpointing,
    Final,
    Finish,
    Flush,
    Heartbeat,
    Hotwords,
    KeepAlive,
    Resume,
    Start,
    Word,
    decode_client_message,
    decode_server_message,
    encode,
)

AUDIO = {"encoding": "pcm_s16le", "rate": 16_000, "channels": 1}


def refusal_of(text: str) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_client_message(text)
    return caught.value


def start_with(**fields: object) -> str:
    return json.dumps({"type": "start", "audio": AUDIO} | fields)


def test_a_start_needs_nothing_but_its_audio_format() -> None:
    assert decode_client_message(start_with()) == Start(
        audio=AudioFormat(encoding="pcm_s16le", rate=16_000, channels=1)
    )


def test_every_field_of_a_start_is_read() -> None:
    text = start_with(
        model="tiny",
        language="en",
        task="translate",
        prompt="Ada Lovelace",
        partials=False,
        commit="final",
        commit_by="alignment",
        endpointing={"silence_ms": 500},
        hop_ms=250,
        latency="low",
        search="beam",
        beam_size=3,
        temperature=1,
        hotwords=["Moonshine"],
    )
    assert decode_client_message(text) == Start(
        audio=AudioFormat("pcm_s16le", 16_000, 1),
        model="tiny",
        language="en",
        task="translate",
        prompt="Ada Lovelace",
        partials=False,
        commit="final",
        commit_by="alignment",
        endpointing=Endpointing(silence_ms=500),
        hop_ms=250,
        latency="low",
        search="beam",
        beam_size=3,
        temperature=1.0,
        hotwords=("Moonshine",),
    )


def test_what_a_client_leaves_open_is_the_servers_to_choose() -> None:
    start = decode_client_message(start_with(task=None, prompt=None, search=None))
    assert start == decode_client_message(start_with())
    assert isinstance(start, Start)
    assert (start.task, start.prompt, start.commit_by, start.latency) == (None, None, None, None)
    assert (start.search, start.beam_size, start.temperature) == (None, None, None)


def test_a_client_says_where_a_broken_session_goes_on() -> None:
    resume = Resume(
        token="t",
        from_at=48_000,
        acked_at=32_000,
        last_seq=17,
        next_segment=3,
        segment_open=True,
        committed_text="ask not",
        context_text="my fellow Americans",
        heard_at=60_000,
    )
    start = Start(audio=AudioFormat("pcm_s16le", 16_000, 1), resume=resume)
    assert decode_client_message(encode(start)) == start


def test_keep_alive_is_an_object_with_a_type_alone() -> None:
    assert decode_client_message('{"type": "keep_alive"}') == KeepAlive()


def test_a_heartbeat_is_read_with_a_whole_factor_too() -> None:
    fields = {"seq": 4, "received_at": 16_000, "heard_ms": 900, "lag_ms": 100}
    message = decode_server_message(
        json.dumps({"type": "heartbeat", "realtime_factor": 1, **fields})
    )
    assert message == Heartbeat(4, 16_000, 900, 100, 1.0)


def test_a_final_without_a_language_is_read() -> None:
    fields = {"seq": 1, "segment": 0, "text": "", "words": []}
    times = {"start_ms": 0, "end_ms": 1, "ack_at": 16}
    message = decode_server_message(json.dumps({"type": "final", **fields, **times}))
    assert message == Final(1, 0, "", (), 0, 1, 16, language=None)


def test_finish_is_an_object_with_a_type_alone() -> None:
    assert encode(Finish()) == '{"type":"finish"}'


def test_text_outside_ascii_travels_as_it_is() -> None:
    assert encode(Flush("fin de la leçon")) == '{"type":"flush","id":"fin de la leçon"}'


def test_a_whole_number_is_a_confidence_too() -> None:
    word = {"text": "a", "start_ms": 0, "end_ms": 1, "confidence": 1, "timing": "measured"}
    fields = {"seq": 1, "segment": 0, "text": "a", "start_ms": 0, "end_ms": 1, "ack_at": 16}
    message = decode_server_message(json.dumps({"type": "final", "words": [word], **fields}))
    assert isinstance(message, Final)
    assert message.words == (Word("a", 0, 1, 1.0, "measured"),)


def test_unknown_message_types_are_ignored() -> None:
    assert decode_client_message('{"type": "wave", "id": []}') is None


def test_the_types_of_the_other_direction_are_unknown() -> None:
    assert decode_server_message(encode(Finish())) is None


def test_unknown_fields_are_ignored() -> None:
    assert decode_client_message('{"type": "flush", "id": "a", "urgent": true}') == Flush("a")
    assert decode_client_message('{"type": "hotwords", "hotwords": ["a b"]}') == Hotwords(("a b",))


def test_the_range_of_a_value_is_not_the_protocols_business() -> None:
    message = decode_client_message(
        start_with(audio={"encoding": "tape", "rate": 0, "channels": -1})
    )
    assert isinstance(message, Start)
    assert message.audio == AudioFormat("tape", 0, -1)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "\x00", "[]", "null", "3", '"start"', "[" * 100_000, '{"a":' * 100_000]
    + ['{"type": NaN}', '{"type": "flush", "id": -Infinity}', '{"n":' + "9" * 5_000 + "}"],
)
def test_text_that_is_no_json_object_is_invalid_json(text: str) -> None:
    assert refusal_of(text).code == "invalid_json"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"type": 3}',
        '{"type": ["start"]}',
        '{"type": "start"}',
        '{"type": "flush"}',
        '{"type": "flush", "id": 7}',
        '{"type": "flush", "id": "\\ud800"}',
        start_with(audio=None),
        start_with(audio=[AUDIO]),
        start_with(audio={"encoding": "pcm_s16le", "rate": 16_000}),
        start_with(audio=AUDIO | {"rate": 16_000.0}),
        start_with(audio=AUDIO | {"rate": 2**53}),
        start_with(audio=AUDIO | {"channels": True}),
        start_with(partials=1),
        start_with(commit="sometimes"),
        start_with(hop_ms="500"),
        start_with(task="sing"),
        start_with(prompt=["Ada"]),
        start_with(commit_by="vote"),
        start_with(search="depth-first"),
        start_with(beam_size=2.5),
        start_with(beam_size=True),
        start_with(temperature="hot"),
        start_with(temperature=True),
        start_with(hotwords="one"),
        start_with(hotwords=["one", 2]),
        start_with(endpointing={"silence_ms": 0.5}),
        start_with(resume={"token": "t"}),
        start_with(version="1"),
    ],
)
def test_a_known_message_with_a_wrong_field_is_an_invalid_message(text: str) -> None:
    assert refusal_of(text).code == "invalid_message"


def test_a_number_too_large_to_be_finite_is_refused() -> None:
    text = '{"type":"partial","seq":1,"segment":0,"text":"","committed":0,"at_ms":0,"words":'
    word = '[{"text":"a","start_ms":0,"end_ms":1,"confidence":1e999,"timing":"measured"}]}'
    with pytest.raises(RemoteProtocolError, match=r"partial\.words\[0\]\.confidence is inf"):
        decode_server_message(text + word)


def test_the_refusal_says_which_field_what_was_got_and_what_is_allowed() -> None:
    refusal = refusal_of(start_with(audio=AUDIO | {"rate": "16k"}))
    assert refusal.message.startswith("start.audio.rate is '16k'; allowed: an integer")


def test_the_refusal_names_the_fields_that_are_missing() -> None:
    assert refusal_of('{"type": "start", "audio": {}}').message == (
        "start.audio lacks channels, encoding, rate"
    )


def test_a_refusal_does_not_repeat_a_megabyte() -> None:
    assert len(refusal_of(start_with(hop_ms="9" * 1_000_000)).message) < 200


def test_another_version_is_refused_by_name_whatever_its_fields_look_like() -> None:
    refusal = refusal_of('{"type": "start", "version": 2, "audio": "new"}')
    assert (refusal.code, refusal.message) == (
        "unsupported_version",
        "start.version is 2; allowed: 1",
    )


@pytest.mark.parametrize("confidence", [float("nan"), float("inf")])
def test_what_json_cannot_carry_is_our_own_mistake(confidence: float) -> None:
    word = Word("a", 0, 1, confidence, "measured")
    with pytest.raises(LocalProtocolError):
        encode(Final(1, 0, "a", (word,), 0, 1, 16))


def test_half_a_character_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="lone surrogates"):
        encode(Flush("\udc00"))
