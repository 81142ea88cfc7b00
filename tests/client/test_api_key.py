import secrets
from collections.abc import Iterator

import pytest
from websockets.sync.server import ServerConnection

from fakes_live import RunningServer, running_server
from fakes_server import SPEECH, ScriptedRecognizer
from fakes_wire_server import answer_start, refusing_server, scripted_server
from streamscribe_client import ConnectionFailed, Final, connect
from streamscribe_client.stream_options import Perseverance
from streamscribe_protocol.errors import LocalProtocolError
from streamscribe_server.entrance import Terms
from streamscribe_server.keys import read_keys

KEY = secrets.token_urlsafe(24)


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMSCRIBE_API_KEY", raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    terms = Terms(keys=read_keys(None, f"ada:{KEY}"))
    with running_server(ScriptedRecognizer(), terms=terms) as running:
        yield running


def heard(server: RunningServer, api_key: str | None = None) -> list[str]:
    with connect(server.url, api_key=api_key) as stream:
        stream.send(SPEECH)
        stream.finish()
        return [event.text for event in stream if isinstance(event, Final)]


def test_a_key_that_is_given_is_shown_to_the_server(server: RunningServer) -> None:
    assert heard(server, api_key=KEY) == ["100"]


def test_a_key_in_the_environment_is_shown_where_none_is_given(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMSCRIBE_API_KEY", KEY)
    assert heard(server) == ["100"]


def test_the_key_that_is_given_counts_before_the_environment(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMSCRIBE_API_KEY", "x" * 32)
    assert heard(server, api_key=KEY) == ["100"]


@pytest.mark.parametrize("wrong", [None, "x" * 32])
def test_without_the_right_key_the_way_to_give_one_is_told(
    server: RunningServer, wrong: str | None
) -> None:
    with pytest.raises(ConnectionFailed) as error:
        heard(server, api_key=wrong)
    assert error.value.status == 401
    assert str(error.value).endswith(
        "it wants an API key: api_key=, --api-key or STREAMSCRIBE_API_KEY"
    )
    assert "x" * 32 not in str(error.value)


def test_a_key_that_does_not_fit_into_a_header_is_refused_unsent_and_unsaid() -> None:
    with refusing_server(500) as address, pytest.raises(LocalProtocolError) as error:
        connect(address, api_key="secret\r\nHost: evil")
    assert str(error.value) == "the API key has characters that can't be sent; allowed: ASCII"


def test_the_server_is_told_of_the_key_in_the_header_alone() -> None:
    shown: list[str | None] = []

    def look(socket: ServerConnection) -> None:
        assert socket.request is not None
        shown.append(socket.request.headers.get("Authorization"))
        answer_start(socket)

    with scripted_server(look) as address, connect(address, api_key=KEY, resume=False):
        pass
    assert shown == [f"Bearer {KEY}"]


def test_the_key_is_not_written_where_options_are() -> None:
    assert KEY not in repr(Perseverance(api_key=KEY))
