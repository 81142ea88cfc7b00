"""What is sent before and below the protocol: requests that never end, frames that are none."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from bench.raw_socket import handshake, wire_frame
from uvicorn.protocols.utils import ClientDisconnected

from fakes_live import (
    SMALL_BUFFER_BYTES,
    START,
    RunningServer,
    client,
    get,
    running_server,
    small_socket,
    transcript,
    wait_until_gone,
)
from fakes_server import ScriptedRecognizer
from streamscribe_protocol.messages import STREAM_PATH, encode
from streamscribe_server.limits import Limits
from streamscribe_server.uvicorn_server import bind
from streamscribe_server.wire_guards import guarded_http, guarded_websocket

TEXT, BINARY, CONT, PING = 1, 2, 0, 9
SHORT = Limits(handshake_timeout_s=0.2, max_fragments=4)
REQUEST = handshake("localhost", STREAM_PATH)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ScriptedRecognizer(), SHORT) as running:
        yield running


@contextmanager
def connected(server: RunningServer, octets: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection((server.host, server.port), timeout=10) as plain:
        plain.sendall(octets)
        yield plain


def until_closed(plain: socket.socket) -> bytes:
    """Everything that comes until the server closes the connection, or cuts it off."""
    received = b""
    try:
        while data := plain.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


def close_code(received: bytes) -> int:
    """Of the close frame that ends what was received."""
    at = received.rindex(b"\x88")
    return int.from_bytes(received[at + 2 : at + 4])


def upgraded(plain: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += plain.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("said", [b"", REQUEST[:-2], b"GET /health HTTP/1.1\r\n"])
def test_a_connection_without_a_complete_request_is_cut_off(
    server: RunningServer, said: bytes
) -> None:
    with connected(server, said) as plain:
        assert until_closed(plain) == b""
    assert transcript(server)


def test_a_byte_now_and_then_buys_no_time(server: RunningServer) -> None:
    with connected(server) as plain:
        plain.settimeout(0.05)
        for octet in REQUEST[:-4] * 100:
            try:
                plain.sendall(bytes([octet]))
                assert plain.recv(1) == b""
                break
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            raise AssertionError("the connection is still open")


def test_a_complete_request_is_not_cut_off(server: RunningServer) -> None:
    with client(server, None) as connection:
        with connected(server) as silent:
            until_closed(silent)
        connection.send(encode(START))
        assert connection.recv(timeout=10)


def test_the_second_request_of_a_connection_has_to_be_complete_in_time_too(
    server: RunningServer,
) -> None:
    with connected(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") as plain:
        assert plain.recv(65_536).startswith(b"HTTP/1.1 200 ")
        plain.sendall(b"GET /he")
        assert b"HTTP/1.1" not in until_closed(plain)


def test_the_oldest_of_too_many_waiting_connections_is_cut_off() -> None:
    limits = Limits(handshake_timeout_s=60, max_handshakes=2)
    with (
        running_server(ScriptedRecognizer(), limits) as server,
        connected(server) as oldest,
        connected(server) as second,
        connected(server),
    ):
        assert until_closed(oldest) == b""
        second.sendall(REQUEST)
        upgraded(second)


def test_a_request_that_the_websocket_layer_cannot_read_is_answered(server: RunningServer) -> None:
    long = handshake("localhost", STREAM_PATH + "?" + "x" * 20_000)
    with connected(server, long) as plain:
        assert until_closed(plain).startswith(b"HTTP/1.1 400 ")


def test_a_request_answered_before_its_end_ends_the_connection(server: RunningServer) -> None:
    request = b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nx"
    with connected(server, request) as plain:
        assert until_closed(plain).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("close", [b"", wire_frame(8, b"\x03\xe8")])
def test_text_that_is_not_utf8_is_the_clients_fault_and_not_the_logs(
    server: RunningServer, close: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), connected(server, REQUEST) as plain:
        upgraded(plain)
        plain.sendall(wire_frame(TEXT, b"\xff") + close)
        assert close_code(until_closed(plain)) in ((1007,) if not close else (1007, 1000))
        wait_until_gone(server)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_more_fragments_than_allowed_are_refused(server: RunningServer) -> None:
    piece = wire_frame(CONT, b"", fin=False)
    with connected(server, REQUEST) as plain:
        upgraded(plain)
        plain.sendall(wire_frame(BINARY, b"", fin=False) + piece * 4)
        assert close_code(until_closed(plain)) == 1009


def test_as_many_fragments_as_allowed_are_one_message(server: RunningServer) -> None:
    text = encode(START).encode()
    with connected(server, REQUEST) as plain:
        upgraded(plain)
        plain.sendall(wire_frame(TEXT, text[:9], fin=False) + wire_frame(CONT, b"", fin=False))
        plain.sendall(wire_frame(CONT, text[9:20], fin=False) + wire_frame(CONT, text[20:]))
        assert b'"ready"' in plain.recv(65_536)


def test_a_client_that_goes_before_it_is_accepted_is_no_error(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            with connected(server, REQUEST) as plain:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wait_until_gone(server)
        assert transcript(server)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_answers_to_pings_do_not_pile_up_for_a_client_that_reads_none() -> None:
    pings = wire_frame(PING, bytes(125)) * 100
    with running_server(ScriptedRecognizer(), SHORT, SMALL_BUFFER_BYTES) as server:
        with small_socket(server) as deaf:
            deaf.sendall(REQUEST)
            upgraded(deaf)
            for _ in range(200):
                deaf.sendall(pings)
            [connection] = server.server.server_state.connections
            assert connection.transport.get_write_buffer_size() < 200_000
        wait_until_gone(server)
        assert get(server, "/health")[0] == 200


def test_sending_after_a_broken_frame_is_sending_to_nobody() -> None:
    failures: list[type[Exception]] = []
    over = threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except Exception as error:  # noqa: BLE001
            failures.append(type(error))
        over.set()

    http, websocket = guarded_http(SHORT), guarded_websocket(SHORT)
    config = uvicorn.Config(application, http=http, ws=websocket, lifespan="off")
    uvicorn_server = uvicorn.Server(config)
    listener = bind("127.0.0.1", 0, SHORT)
    thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listener]})
    thread.daemon = True
    thread.start()
    while not uvicorn_server.started:
        over.wait(0.01)
    with socket.create_connection(listener.getsockname(), timeout=10) as plain:
        plain.sendall(REQUEST)
        upgraded(plain)
        plain.sendall(wire_frame(3, b"a reserved opcode"))
        assert close_code(until_closed(plain)) == 1002
    assert over.wait(10)
    uvicorn_server.should_exit = True
    thread.join(10)
    assert failures == [ClientDisconnected]


def test_a_refused_handshake_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO),
        running_server(ScriptedRecognizer(), Limits(max_sessions=1)) as server,
        client(server) as first,
    ):
        assert first.recv(timeout=10)
        with connected(server, REQUEST) as second:
            assert until_closed(second).startswith(b"HTTP/1.1 503 ")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
