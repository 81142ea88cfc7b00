"""What a server says while there is nothing to say, and how long it listens to nothing."""

from fakes_live import client, ended_with, received, running_server
from fakes_resume import Caller
from fakes_server import HOP_LEN, SPEECH, ScriptedRecognizer
from streamscribe_protocol.messages import Error, Final, Heartbeat, KeepAlive, Ready, encode
from streamscribe_server.limits import Limits


def test_heartbeats_come_while_the_client_sends_nothing() -> None:
    with running_server(ScriptedRecognizer(), Limits(heartbeat_s=0.02)) as server:
        caller = Caller(server.url, SPEECH)
        assert caller.connect().heartbeat_s == 0.02
        for _ in range(3):
            caller.read_until(lambda message: isinstance(message, Heartbeat))
    assert caller.heartbeats[-1] == Heartbeat(1, 0, 0, 0, 0.0)


def test_a_heartbeat_tells_what_was_received_decided_and_is_late() -> None:
    recognizer = ScriptedRecognizer()
    with running_server(recognizer, Limits(heartbeat_s=0.02)) as server:
        caller = Caller(server.url, SPEECH * 3)
        caller.connect()
        recognizer.gate.clear()
        caller.send(len(SPEECH) * 3)
        caller.read_until(lambda m: isinstance(m, Heartbeat) and m.received_at > 0)
        late = caller.heartbeats[-1]
        recognizer.gate.set()
        caller.read_until(lambda m: isinstance(m, Heartbeat) and m.lag_ms == 0)
    assert (late.received_at, late.heard_ms, late.lag_ms) == (3 * HOP_LEN, 0, 1_500)
    heard = caller.heartbeats[-1]
    assert (heard.received_at, heard.heard_ms) == (3 * HOP_LEN, 1_500)
    assert heard.realtime_factor > 0


def test_heartbeats_go_on_over_a_new_connection_with_the_last_number() -> None:
    with running_server(ScriptedRecognizer(), Limits(heartbeat_s=0.02)) as server:
        caller = Caller(server.url, SPEECH)
        caller.connect()
        caller.send(len(SPEECH))
        caller.read(2)
        caller.cut()
        caller.connect()
        caller.heartbeats.clear()
        caller.read_until(lambda message: isinstance(message, Heartbeat))
    assert (caller.heartbeats[0].seq, caller.heartbeats[0].received_at) == (3, HOP_LEN)


def test_a_client_that_has_nothing_to_send_stays_with_keep_alive() -> None:
    """Heartbeats are its clock: it would be closed after ten of them."""
    with running_server(
        ScriptedRecognizer(), Limits(heartbeat_s=0.05, idle_timeout_s=0.5)
    ) as server:
        caller = Caller(server.url, b"")
        caller.connect()
        for _ in range(20):
            caller.connection.send(encode(KeepAlive()))
            caller.read_until(lambda message: isinstance(message, Heartbeat))
        assert caller.heartbeats[-1].received_at == 0
        caller.read_to_the_end()
        error = caller.told[-1]
    assert isinstance(error, Error)
    assert (error.code, caller.close_code) == ("idle_timeout", 4408)


def test_a_silent_client_is_not_waited_for_any_more() -> None:
    with running_server(ScriptedRecognizer(), Limits(idle_timeout_s=0.2)) as server:
        with client(server) as connection:
            assert ended_with(connection) == ("idle_timeout", 4408)
        assert server.service.sessions.streams == 0


def test_a_session_that_is_too_long_gets_its_finals_and_is_told() -> None:
    with (
        running_server(ScriptedRecognizer(), Limits(max_session_s=0.3)) as server,
        client(server) as connection,
    ):
        connection.send(SPEECH)
        messages = received(connection)
    assert isinstance(messages[0], Ready)
    assert [message.text for message in messages if isinstance(message, Final)] == ["100"]
    assert isinstance(messages[-1], Error)
    assert (messages[-1].code, connection.close_code) == ("session_limit", 4410)
