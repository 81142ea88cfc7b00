"""Who gets into a real server, and what those hear who don't."""

import json
import logging
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from fakes_live import (
    START,
    RunningServer,
    client,
    finals,
    get,
    received,
    running_server,
    wait_until_gone,
)
from fakes_server import SPEECH, ScriptedRecognizer
from streamscribe_protocol.messages import Finish, Flush, Flushed, encode
from streamscribe_server.entrance import Terms
from streamscribe_server.keys import read_keys
from streamscribe_server.limits import Limits

KEY = secrets.token_urlsafe(24)
PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    terms = Terms(keys=read_keys(None, f"ada:{KEY}"), origins=(PAGE,))
    with running_server(ScriptedRecognizer(), terms=terms) as running:
        yield running


def transcribed(
    server: RunningServer,
    query: str = "",
    **connecting: Any,  # noqa: ANN401
) -> list[str]:
    with connect(
        server.url + query, compression=None, ping_interval=None, **connecting
    ) as connection:
        connection.send(encode(START))
        connection.send(SPEECH)
        connection.send(encode(Finish()))
        return finals(received(connection))


def refused(
    server: RunningServer,
    query: str = "",
    **connecting: Any,  # noqa: ANN401
) -> tuple[int, str]:
    with (
        pytest.raises(InvalidStatus) as error,
        connect(server.url + query, compression=None, **connecting),
    ):
        pass
    response = error.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["message"]


def asked(server: RunningServer, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(server.http_url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers)


@pytest.mark.parametrize(
    "connecting",
    [
        {"additional_headers": {"Authorization": f"Bearer {KEY}"}},
        {"additional_headers": {"Authorization": f"Token {KEY}"}},
        {"query": f"?token={KEY}"},
        {"subprotocols": [Subprotocol("token"), Subprotocol(KEY)]},
    ],
)
def test_the_right_key_comes_in_wherever_it_is_shown(
    server: RunningServer, connecting: dict[str, Any]
) -> None:
    assert transcribed(server, **connecting) == ["100"]


def test_a_browser_hears_the_subprotocol_that_it_waits_for(server: RunningServer) -> None:
    offered = [Subprotocol("token"), Subprotocol(KEY)]
    with connect(server.url, subprotocols=offered) as connection:
        assert connection.subprotocol == "token"


def test_a_wrong_key_and_a_missing_one_hear_the_same_before_the_stream_is_accepted(
    server: RunningServer,
) -> None:
    missing = refused(server)
    wrong = refused(server, additional_headers={"Authorization": f"Bearer {'x' * 32}"})
    assert (
        missing == wrong == (401, "an API key is needed: send the header Authorization: Bearer KEY")
    )


def test_who_is_refused_hears_how_to_show_a_key(server: RunningServer) -> None:
    status, headers = asked(server, "/v1/models")
    assert (status, headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", ["/metrics", "/v1/models"])
def test_what_a_server_does_is_told_to_those_with_a_key_only(
    server: RunningServer, path: str
) -> None:
    assert asked(server, path)[0] == 401
    assert asked(server, path, Authorization=f"Bearer {KEY}")[0] == 200


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_that_it_lives_and_is_ready_is_told_to_anybody(server: RunningServer, path: str) -> None:
    assert get(server, path)[0] == 200


def test_metrics_may_be_opened_to_anybody_and_then_models_still_are_not() -> None:
    terms = Terms(keys=read_keys(None, KEY), open_metrics=True)
    with running_server(ScriptedRecognizer(), terms=terms) as server:
        assert asked(server, "/metrics")[0] == 200
        assert asked(server, "/v1/models")[0] == 401


def test_a_page_of_another_host_may_come_if_it_is_allowed(server: RunningServer) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    assert transcribed(server, origin=PAGE, additional_headers=key) == ["100"]
    here = f"http://{server.host}:{server.port}"
    assert transcribed(server, origin=here, additional_headers=key) == ["100"]
    status, said = refused(server, origin="https://evil.example", additional_headers=key)
    assert status == 403
    assert "pages of https://evil.example may not use this server" in said


def test_a_browser_lets_allowed_pages_read_the_answers_and_no_others(server: RunningServer) -> None:
    name = "access-control-allow-origin"
    assert asked(server, "/health", Origin=PAGE)[1][name] == PAGE
    assert name not in asked(server, "/health", Origin="https://evil.example")[1]


def test_without_allowed_pages_no_page_reads_anything() -> None:
    with running_server(ScriptedRecognizer()) as server:
        headers = asked(server, "/health", Origin=PAGE)[1]
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_key_that_has_all_its_sessions_open_is_told_to_come_later() -> None:
    terms = Terms(keys=read_keys(None, f"ada:{KEY}"), sessions_per_key=1)
    key = {"Authorization": f"Bearer {KEY}"}
    with running_server(ScriptedRecognizer(), terms=terms) as server:
        with connect(server.url, additional_headers=key) as connection:
            connection.send(encode(START))
            connection.recv(timeout=10)
            status, said = refused(server, additional_headers=key)
            assert (status, said) == (429, "1 sessions of this key are open; allowed: 1")
        wait_until_gone(server)
        assert transcribed(server, additional_headers=key) == ["100"]


def test_a_flood_of_frames_is_taken_no_faster_than_is_fair_and_none_is_lost() -> None:
    limits = Limits(text_frames_per_s=20, frame_burst_s=0.1)
    with running_server(ScriptedRecognizer(), limits) as server, client(server) as connection:
        began_s = time.monotonic()
        for number in range(12):
            connection.send(encode(Flush(str(number))))
        connection.send(encode(Finish()))
        flushed = [message.id for message in received(connection) if isinstance(message, Flushed)]
    assert flushed == [str(number) for number in range(12)]
    assert time.monotonic() - began_s >= (12 - 2) / 20


def test_refusals_are_counted_by_their_reason(server: RunningServer) -> None:
    def value() -> float:
        name = "streamscribe_sessions_refused_total"
        return server.service.metrics.value(name, reason="unauthorized") or 0

    before = value()
    refused(server)
    assert value() == before + 1


def test_no_key_is_ever_logged(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transcribed(server, query=f"?token={KEY}")
    refused(server, query=f"?token={'wrong' * 8}")
    asked(server, f"/metrics?token={KEY}")
    asked(server, f"/nowhere?token={KEY}")
    refused_elsewhere = server.http_url.replace("http", "ws") + f"/nowhere?token={KEY}"
    with pytest.raises(InvalidStatus), connect(refused_elsewhere):
        pass
    ours = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    said = "\n".join(record.getMessage() for record in ours)
    assert "opened" in said
    assert KEY not in said
    assert "wrongwrong" not in said
