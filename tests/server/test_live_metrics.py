"""What a real server says of itself at /metrics."""

import threading
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus

from fakes_live import client, get, received, running_server, transcript, wait_until_gone
from fakes_server import SPEECH, ScriptedRecognizer
from streamscribe_server.limits import Limits


def metrics_of(http_url: str, accept: str = "") -> tuple[str, str]:
    request = urllib.request.Request(http_url + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Content-Type"], response.read().decode()


def test_metrics_are_prometheus_text_or_openmetrics_as_asked() -> None:
    with running_server(ScriptedRecognizer()) as server:
        plain_type, plain = metrics_of(server.http_url)
        opened_type, opened = metrics_of(server.http_url, "application/openmetrics-text")
    assert plain_type.startswith("text/plain; version=")
    assert 'streamscribe_model_info{model="scripted"} 1.0' in plain.splitlines()
    assert "process_resident_memory_bytes" in plain
    assert opened_type.startswith("application/openmetrics-text; version=")
    assert opened.endswith("# EOF\n")


def test_a_connected_client_is_a_live_session_until_it_is_gone() -> None:
    with running_server(ScriptedRecognizer()) as server:
        value = server.service.metrics.value
        with client(server) as connection:
            connection.recv(timeout=10)
            assert value("streamscribe_sessions", state="live") == 1
        wait_until_gone(server)
        assert value("streamscribe_sessions", state="live") == 0
        assert transcript(server) == ["100 100"]
        assert (value("streamscribe_stage_seconds_count", stage="send") or 0) > 2


def test_a_session_that_nobody_came_back_for_is_not_counted_for_ever() -> None:
    with running_server(ScriptedRecognizer(), Limits(linger_s=0.05)) as server:
        assert transcript(server) == ["100 100"]
        for _ in range(1_000):
            if 'streamscribe_sessions{state="parked"} 0.0' in metrics_of(server.http_url)[1]:
                return
            threading.Event().wait(0.01)
    raise AssertionError("the session is still counted as parked after 10 s")


def test_errors_that_clients_are_told_are_counted_by_code() -> None:
    with running_server(ScriptedRecognizer()) as server:
        with client(server, start=None) as connection:
            connection.send(SPEECH)
            received(connection)
        wait_until_gone(server)
        value = server.service.metrics.value("streamscribe_errors_total", code="audio_before_start")
    assert value == 1


def test_refusals_are_counted() -> None:
    with running_server(ScriptedRecognizer(), Limits(max_sessions=1)) as server, client(server):
        while get(server, "/ready")[0] == 200:
            threading.Event().wait(0.01)
        with pytest.raises(InvalidStatus), client(server):
            pass
        refused = server.service.metrics.value("streamscribe_sessions_refused_total", reason="full")
    assert refused == 1


def test_the_event_loops_lag_is_measured_all_the_time() -> None:
    with running_server(ScriptedRecognizer()) as server:
        name = "streamscribe_event_loop_lag_seconds_count"
        for _ in range(1_000):
            if server.service.metrics.value(name):
                return
            threading.Event().wait(0.01)
    raise AssertionError("no tick was measured in 10 s")
