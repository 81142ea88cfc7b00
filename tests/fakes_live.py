"""A real server on the loopback with a scripted engine behind it, and clients to talk to it."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from fakes_server import SPEECH, ScriptedRecognizer, catalogue_of
from streamscribe_protocol.messages import (
    AudioFormat,
    Error,
    Final,
    Finish,
    ServerMessage,
    Start,
    decode_server_message,
    encode,
)
from streamscribe_server.app import make_app
from streamscribe_server.entrance import Terms
from streamscribe_server.limits import Limits
from streamscribe_server.scheduling import Scheduling
from streamscribe_server.service import Service
from streamscribe_server.uvicorn_server import DrainingServer, Transport, bind

START = Start(audio=AudioFormat("pcm_s16le", 16_000, 1))
FLOAT32 = Start(audio=AudioFormat("pcm_f32le", 16_000, 1))
SMALL_BUFFER_BYTES = 16_384
"""For sockets, so that a peer that doesn't read is noticed after little data."""


@dataclass(frozen=True)
class RunningServer:
    host: str
    port: int
    app: Starlette
    server: DrainingServer

    @property
    def url(self) -> str:
        return f"ws://{self.host}:{self.port}/v1/stream"

    @property
    def http_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def service(self) -> Service:
        service: Service = self.app.state.service
        return service

    def stop(self) -> None:
        """What SIGTERM does."""
        self.server.should_exit = True


@contextmanager
def running_server(
    recognizer: ScriptedRecognizer,
    limits: Limits | None = None,
    send_buffer_bytes: int = 0,
    terms: Terms | None = None,
    transport: Transport | None = None,
) -> Iterator[RunningServer]:
    """A real server on a free port of the loopback; ended, and waited for, on leaving."""
    limits = limits or Limits()
    listener = bind("127.0.0.1", 0, limits)
    if send_buffer_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, send_buffer_bytes)
    app = make_app(catalogue_of(recognizer), limits, Scheduling(coalesce=False), terms=terms)
    ready = threading.Event()
    server = DrainingServer(app, limits, ready.set, transport)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(10)
        host, port = listener.getsockname()
        yield RunningServer(host, port, app, server)
    finally:
        recognizer.gate.set()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def client(server: RunningServer, start: Start | None = START) -> Iterator[ClientConnection]:
    with connect(server.url, compression=None, ping_interval=None) as connection:
        if start is not None:
            connection.send(encode(start))
        yield connection


def received(connection: ClientConnection) -> list[ServerMessage]:
    """Every message until the server closes."""
    messages = []
    try:
        while True:
            frame = connection.recv(timeout=10)
            assert isinstance(frame, str)
            message = decode_server_message(frame)
            assert message is not None
            messages.append(message)
    except ConnectionClosed:
        assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
        return messages


def finals(messages: list[ServerMessage]) -> list[str]:
    return [message.text for message in messages if isinstance(message, Final)]


def transcript(server: RunningServer) -> list[str]:
    with client(server) as connection:
        connection.send(SPEECH * 2)
        connection.send(encode(Finish()))
        return finals(received(connection))


def ended_with(connection: ClientConnection) -> tuple[str, int | None]:
    """Code of the fatal error and of the close frame."""
    last = received(connection)[-1]
    assert isinstance(last, Error)
    assert last.fatal
    return last.code, connection.close_code


def get(server: RunningServer, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(server.http_url + path, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_until_gone(server: RunningServer) -> None:
    """Polls; the server learns of a lost connection from its kernel in its own time."""
    for _ in range(1_000):
        if server.service.connections == 0:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the connection is still open after 10 s")


def small_socket(server: RunningServer) -> socket.socket:
    """A connected socket that buffers little."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    plain.connect((server.host, server.port))
    return plain


def rest(connection: ClientConnection) -> list[str | bytes]:
    frames: list[str | bytes] = []
    try:
        while True:
            frames.append(connection.recv(timeout=10))
    except ConnectionClosed:
        return frames
