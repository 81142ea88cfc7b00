import socket as sockets

import pytest
from websockets.sync.server import ServerConnection

from fakes_wire_server import refusing_server, scripted_server
from streamscribe_client import ConnectionFailed, ServerBusy, ServerError, connect
from streamscribe_protocol.messages import Error, encode

WAIT_S = 20


def test_no_server_at_all_gives_the_address_the_reason_and_a_way_out() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ConnectionFailed) as caught:
        connect(f"localhost:{port}")
    assert str(caught.value) == (
        f"can't connect to ws://localhost:{port}/v1/stream: Connection refused;"
        " is a server running there? `streamscribe serve` starts one"
    )


def test_a_server_that_says_nothing_is_given_up() -> None:
    failed = pytest.raises(ConnectionFailed, match="no answer within 0.1 s")
    with sockets.create_server(("127.0.0.1", 0)) as silent, failed:
        connect(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1)


def test_a_server_that_does_not_answer_start_is_given_up() -> None:
    def say_nothing(socket: ServerConnection) -> None:
        socket.wait_closed(WAIT_S)

    failed = pytest.raises(ConnectionFailed, match="did not answer start within 1 s")
    with scripted_server(say_nothing) as address, failed:
        connect(address, timeout_s=1.0)


def test_a_busy_server_says_when_to_come_back() -> None:
    busy = pytest.raises(ServerBusy, match="try again in 7 s")
    with refusing_server(503, Retry_After="7") as address, busy as caught:
        connect(address)
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize(("status", "phrase"), [(404, "Not Found"), (500, "Internal Server Error")])
def test_a_refused_handshake_is_told_with_its_status(status: int, phrase: str) -> None:
    failed = pytest.raises(ConnectionFailed, match=rf"HTTP status {status} \({phrase}\)")
    with refusing_server(status) as address, failed as caught:
        connect(address)
    assert caught.value.status == status


def test_a_stream_that_is_refused_at_start_is_never_opened() -> None:
    def refuse(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(encode(Error(1, "unsupported_rate", "0 Hz", fatal=True)))
        socket.close(4415)

    with scripted_server(refuse) as address, pytest.raises(ServerError, match="unsupported_rate"):
        connect(address, rate=0)
