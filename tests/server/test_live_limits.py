"""Servers under pressure: ahead, behind, full, silent, going down."""

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fakes_live import (
    SMALL_BUFFER_BYTES,
    START,
    client,
    ended_with,
    finals,
    get,
    received,
    rest,
    running_server,
    small_socket,
    transcript,
    wait_until_gone,
)
from fakes_server import SPEECH, ScriptedRecognizer
from streamscribe_protocol.messages import (
    Done,
    Error,
    Final,
    Finish,
    Partial,
    decode_server_message,
    encode,
)
from streamscribe_server.limits import Limits


def test_what_came_after_finish_is_ignored_aloud_and_the_finals_still_come() -> None:
    recognizer = ScriptedRecognizer()
    with running_server(recognizer) as server, client(server) as connection:
        recognizer.gate.clear()
        connection.send(SPEECH)
        connection.send(encode(Finish()))
        connection.send(SPEECH)
        while not isinstance(message := decode_server_message(str(connection.recv(10))), Error):
            assert message is not None
        assert (message.code, message.fatal) == ("finished", False)
        recognizer.gate.set()
        assert [type(decode_server_message(str(f))) for f in connection][-1] is Done


def test_a_client_that_stops_reading_is_given_up_and_others_are_served() -> None:
    recognizer = ScriptedRecognizer(words_per_hop=10_000)
    limits = Limits(slow_reader_s=0.3, close_grace_s=0.1)
    with (
        running_server(recognizer, limits, SMALL_BUFFER_BYTES) as server,
        connect(
            server.url,
            sock=small_socket(server),
            compression=None,
            ping_interval=None,
            max_queue=1,
            close_timeout=0.1,
        ) as deaf,
    ):
        deaf.send(encode(START))
        for _ in range(16):
            deaf.send(SPEECH)
        wait_until_gone(server)
        assert server.service.sessions.streams == 0
        assert transcript(server)


def test_a_sender_far_ahead_is_slowed_by_its_own_socket() -> None:
    """Proves that the server stops reading: otherwise all of it would be taken at once."""
    recognizer = ScriptedRecognizer()
    limits = Limits(receive_buffer_bytes=SMALL_BUFFER_BYTES)
    with running_server(recognizer, limits, SMALL_BUFFER_BYTES) as server:
        recognizer.gate.clear()
        with connect(
            server.url, sock=small_socket(server), compression=None, ping_interval=None
        ) as fast:
            fast.send(encode(START))
            fast.socket.settimeout(0.5)
            sent_bytes = 0
            with pytest.raises(ConnectionClosed):  # the sender's own timeout
                for _ in range(2_000):
                    fast.send(SPEECH)
                    sent_bytes += len(SPEECH)
            backlog_bytes = limits.backlog_pause_s * 32_000
            assert sent_bytes <= backlog_bytes + 600_000
            recognizer.gate.set()
        wait_until_gone(server)
        assert transcript(server) == ["100 100"]


def test_a_stream_goes_on_after_it_was_slowed() -> None:
    recognizer = ScriptedRecognizer()
    with (
        running_server(recognizer, Limits(backlog_pause_s=1.0)) as server,
        client(server) as connection,
    ):
        for _ in range(80):
            connection.send(SPEECH)
        connection.send(encode(Finish()))
        assert finals(received(connection)) == ["100 100 100 100"] * 20


def test_a_silent_client_is_told_and_closed() -> None:
    with (
        running_server(ScriptedRecognizer(), Limits(idle_timeout_s=0.2)) as server,
        client(server) as connection,
    ):
        assert ended_with(connection) == ("idle_timeout", 4408)


def test_one_stream_too_many_is_refused_before_it_is_accepted() -> None:
    with running_server(ScriptedRecognizer(), Limits(max_sessions=1)) as server:
        with client(server) as first:
            first.recv(timeout=10)
            with pytest.raises(InvalidStatus) as refusal:
                connect(server.url)
            assert refusal.value.response.status_code == 503
            assert refusal.value.response.headers["Retry-After"] == "5"
            assert get(server, "/ready")[0] == 503
            assert get(server, "/health")[0] == 200
        wait_until_gone(server)
        assert transcript(server) == ["100 100"]


def test_going_down_finishes_open_segments_and_asks_to_reconnect() -> None:
    recognizer = ScriptedRecognizer()
    with running_server(recognizer) as server, client(server) as connection:
        connection.send(SPEECH)
        while not isinstance(decode_server_message(str(connection.recv(10))), Partial):
            pass
        recognizer.gate.clear()
        server.stop()
        while get(server, "/ready") != (
            503,
            {"ready": False, "reason": "the server is going down"},
        ):
            pass
        recognizer.gate.set()
        assert [decode_server_message(str(frame)) for frame in rest(connection)][-1] == Final(
            5, 0, "100", (), 0, 500, 8_000
        )
        assert connection.close_code == 1012
