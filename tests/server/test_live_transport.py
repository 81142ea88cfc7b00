"""A real server that speaks TLS, and one behind a proxy."""

import asyncio
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import InvalidStatus

from fakes_live import RunningServer, running_server
from fakes_server import SPEECH, ScriptedRecognizer
from fakes_tls import CERTIFICATE, KEY
from streamscribe_client import ConnectionFailed, Final, connect
from streamscribe_server.entrance import Terms
from streamscribe_server.tls import Certificate
from streamscribe_server.uvicorn_server import Transport


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_text(CERTIFICATE)
    (folder / "key.pem").write_text(KEY)
    return Certificate(folder / "cert.pem", folder / "key.pem")


@pytest.fixture(scope="module")
def server(certificate: Certificate) -> Iterator[RunningServer]:
    transport = Transport(certificate)
    with running_server(ScriptedRecognizer(), transport=transport) as running:
        yield running


def trust(cert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))


def test_the_client_streams_over_tls_to_a_server_whose_certificate_it_is_told_to_trust(
    server: RunningServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(certificate.cert, monkeypatch)
    with connect(f"wss://localhost:{server.port}") as stream:
        stream.send(SPEECH)
        stream.finish()
        assert [event.text for event in stream if isinstance(event, Final)] == ["100"]


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(server: RunningServer) -> None:
    with pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED|certificate verify"):
        connect(f"wss://localhost:{server.port}")


def test_health_is_told_over_tls(server: RunningServer, certificate: Certificate) -> None:
    trusting = ssl.create_default_context(cafile=certificate.cert)
    url = f"https://localhost:{server.port}/health"
    with urllib.request.urlopen(url, context=trusting, timeout=10) as response:
        assert response.status == 200


def openings(server: RunningServer, *forwarded_for: str) -> list[bool]:
    """Whether each of several clients, one after the other, comes in through a proxy."""

    async def comes_in(address: str) -> bool:
        headers = {"X-Forwarded-For": address}
        try:
            async with connect_websocket(server.url, additional_headers=headers):
                return True
        except InvalidStatus as error:
            assert error.response.status_code == 429
            assert int(error.response.headers["Retry-After"]) > 0
            return False

    async def come() -> list[bool]:
        return [await comes_in(address) for address in forwarded_for]

    return asyncio.run(come())


def test_clients_behind_a_trusted_proxy_are_told_apart_by_what_it_says() -> None:
    transport, terms = Transport(trusted_proxies="127.0.0.1"), Terms(opens_per_minute=1)
    with running_server(ScriptedRecognizer(), terms=terms, transport=transport) as server:
        assert openings(server, "192.0.2.1", "192.0.2.2", "192.0.2.1") == [True, True, False]


def test_any_other_is_not_believed_for_whom_it_speaks() -> None:
    transport, terms = Transport(trusted_proxies="203.0.113.9"), Terms(opens_per_minute=1)
    with running_server(ScriptedRecognizer(), terms=terms, transport=transport) as server:
        assert openings(server, "192.0.2.1", "192.0.2.2") == [True, False]
