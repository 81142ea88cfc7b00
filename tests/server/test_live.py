"""What each bad client gets, and that the next one is served as if nothing had happened."""

import logging
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fakes_live import (
    FLOAT32,
    START,
    RunningServer,
    client,
    ended_with,
    finals,
    get,
    received,
    running_server,
    transcript,
    wait_until_gone,
)
from fakes_server import BREAKS_MODEL, BREAKS_SESSION, HOP_LEN, SPEECH, ScriptedRecognizer, pcm16
from streamscribe_protocol.messages import (
    AudioFormat,
    Done,
    Finish,
    Flush,
    Flushed,
    Partial,
    Ready,
    encode,
)
from streamscribe_server.limits import Limits


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ScriptedRecognizer(), Limits(start_timeout_s=0.3)) as running:
        yield running


def test_a_stream_is_transcribed_from_ready_to_done(server: RunningServer) -> None:
    with client(server) as connection:
        for _ in range(5):
            connection.send(SPEECH)
        connection.send(encode(Flush("here")))
        connection.send(encode(Finish()))
        messages = received(connection)
    assert isinstance(messages[0], Ready)
    assert finals(messages) == ["100 100 100 100", "100"]
    assert any(isinstance(message, Partial) for message in messages)
    assert isinstance(messages[-2], Flushed)
    assert messages[-1] == Done(len(messages), 2_500)
    assert connection.close_code == 1000


@pytest.mark.parametrize(
    ("frames", "code", "close_code"),
    [
        ([b"\0\0"], "audio_before_start", 4400),
        (["hello"], "invalid_json", 4400),
        (['{"type": "finish"}'], "not_started", 4400),
        ([encode(replace(START, audio=AudioFormat("pcm_s16le", 0, 1)))], "unsupported_rate", 4415),
        ([encode(replace(START, model="huge"))], "unknown_model", 4404),
        ([encode(START), encode(START)], "already_started", 4400),
        ([encode(START), bytes(1_048_577)], "frame_too_large", 1009),
        ([encode(START), b"\0\0\0", encode(Finish())], "incomplete_sample", 4415),
        ([encode(FLOAT32), struct.pack("<f", float("nan"))], "invalid_sample", 4415),
        ([encode(FLOAT32), struct.pack("<f", float("inf"))], "invalid_sample", 4415),
        ([encode(START), pcm16(BREAKS_SESSION, 10)], "internal", 1011),
        ([encode(START), pcm16(BREAKS_MODEL, HOP_LEN)], "internal", 1011),
        ([], "start_timeout", 4408),
    ],
)
def test_a_client_at_fault_is_told_by_name_and_the_next_one_is_served(
    server: RunningServer, frames: list[str | bytes], code: str, close_code: int
) -> None:
    with client(server, start=None) as connection:
        for frame in frames:
            connection.send(frame)
        assert ended_with(connection) == (code, close_code)
    assert transcript(server) == ["100 100"]


def test_messages_of_an_unknown_type_change_nothing(server: RunningServer) -> None:
    with client(server) as connection:
        connection.send('{"type": "colour"}')
        connection.send(SPEECH * 2)
        connection.send(encode(Finish()))
        assert finals(received(connection)) == ["100 100"]


def test_a_frame_of_the_greatest_length_is_taken(server: RunningServer) -> None:
    with client(server) as connection:
        connection.send(bytes(1_048_576))
        connection.send(encode(Finish()))
        last = received(connection)[-1]
    assert isinstance(last, Done)
    assert last.audio_ms == 32_768


def test_a_frame_that_only_an_attacker_sends_is_cut_off_unread(server: RunningServer) -> None:
    with client(server) as connection, pytest.raises(ConnectionClosed):
        connection.send(bytes(2 * Limits().hard_frame_bytes))
        for _ in range(1_000):
            connection.recv(timeout=10)
    assert transcript(server) == ["100 100"]


def test_a_client_that_leaves_without_finish_leaves_nothing_behind(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with client(server) as connection:
        connection.send(SPEECH)
        connection.recv(timeout=10)
    wait_until_gone(server)
    assert transcript(server) == ["100 100"]
    assert "reason=client_left" in caplog.text


def test_a_client_at_fault_leaves_the_one_beside_it_alone(server: RunningServer) -> None:
    with client(server) as good, client(server) as bad:
        good.send(SPEECH)
        bad.send(SPEECH)
        bad.send("this is not a message")
        assert ended_with(bad) == ("invalid_json", 4400)
        good.send(SPEECH)
        good.send(encode(Finish()))
        assert finals(received(good)) == ["100 100"]


def test_the_process_says_how_it_is(server: RunningServer) -> None:
    status, health = get(server, "/health")
    assert (status, health["status"]) == (200, "ok")
    assert get(server, "/ready") == (200, {"ready": True})
    assert get(server, "/v1/models") == (
        200,
        {"models": [{"name": "scripted", "languages": ["en"], "default": True}]},
    )


def test_an_unknown_path_is_answered_in_json(server: RunningServer) -> None:
    status, body = get(server, "/v2/stream")
    assert (status, body["error"]["code"]) == (404, "not_found")
    with pytest.raises(InvalidStatus) as refusal:
        connect(server.url.replace("/v1/", "/v2/"))
    assert refusal.value.response.status_code == 404
