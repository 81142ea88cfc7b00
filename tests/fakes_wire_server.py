"""A server of the native protocol that does what a test's script says, on a loopback socket."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from streamscribe_protocol.messages import (
    Done,
    EffectiveOptions,
    Final,
    Finish,
    Flush,
    Flushed,
    Ready,
    decode_client_message,
    encode,
)

Script = Callable[[ServerConnection], None]

OPTIONS = EffectiveOptions("append", True, 500, None, 800, 300, 90, 500, 15_000, 30_000)
READY = Ready(seq=1, session="s-1", resume_token="t-1", model="scripted", options=OPTIONS)


def final(seq: int, text: str = "hello") -> Final:
    return Final(seq, segment=seq, text=text, words=(), start_ms=0, end_ms=900, ack_at=14_400)


def answer_start(socket: ServerConnection) -> None:
    assert json.loads(socket.recv())["type"] == "start"
    socket.send(encode(READY))


def read_to_finish(socket: ServerConnection) -> bytes:
    """All audio up to the finish message."""
    audio = bytearray()
    for frame in socket:
        if isinstance(frame, bytes):
            audio += frame
        elif isinstance(decode_client_message(frame), Finish):
            break
    return bytes(audio)


def say_how_much_came(socket: ServerConnection) -> None:
    """The plainest server: flushes are answered at once, the one final tells the bytes received."""
    answer_start(socket)
    seq, received = 1, 0
    for frame in socket:
        seq += 1
        if isinstance(frame, bytes):
            received += len(frame)
            seq -= 1
            continue
        message = decode_client_message(frame)
        if isinstance(message, Flush):
            socket.send(encode(Flushed(seq, message.id)))
        elif isinstance(message, Finish):
            socket.send(encode(final(seq, text=f"{received} bytes")))
            socket.send(encode(Done(seq + 1, audio_ms=0)))
            return


@contextmanager
def scripted_server(script: Script) -> Iterator[str]:
    """The address of a server that runs ``script`` for every connection, then closes it."""
    with serve(script, "127.0.0.1", 0, compression=None) as server, _serving(server):
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"


@contextmanager
def refusing_server(status: int, **headers: str) -> Iterator[str]:
    """The address of a server that refuses every handshake with an HTTP status."""

    def refuse(_socket: ServerConnection, _request: Request) -> Response:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(status, "refused", Headers(fields | {"Content-Length": "0"}), b"")

    server = serve(lambda _socket: None, "127.0.0.1", 0, process_request=refuse)
    with server, _serving(server) as address:
        yield address


@contextmanager
def _serving(server: Server) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
    finally:
        server.shutdown()
        thread.join()
