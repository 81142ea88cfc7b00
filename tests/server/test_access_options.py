import logging
import os
import secrets
import socket
from pathlib import Path

import click
import pytest

from fakes_tls import CERTIFICATE, KEY, KEY_OF_ANOTHER
from streamscribe.errors import StreamscribeError
from streamscribe_server.access_options import is_loopback
from streamscribe_server.command import serve
from streamscribe_server.entrance import Terms

SECRET = secrets.token_urlsafe(24)
NO_MODEL = ["--port", "0", "--model", "/no/such/model"]
"""Whoever gets as far as loading the model fails there."""


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMSCRIBE_API_KEYS", raising=False)


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "keys.txt"
    file.write_text(f"ada:{SECRET}\n")
    file.chmod(0o600)
    return str(file)


def refused(*options: str) -> str:
    with pytest.raises(click.UsageError) as error:
        serve.main([*NO_MODEL, *options], standalone_mode=False)
    return error.value.message


def gets_as_far_as_the_model(*options: str) -> bool:
    with pytest.raises(StreamscribeError, match="no/such/model"):
        serve.main([*NO_MODEL, *options], standalone_mode=False)
    return True


def asked(monkeypatch: pytest.MonkeyPatch, *options: str) -> Terms:
    """The terms of the server that would have been started."""
    given: list[Terms] = []
    monkeypatch.setattr(
        "streamscribe_server.command._look_at_exposure",
        lambda listener, access, terms, certificate: given.append(terms),
    )
    assert gets_as_far_as_the_model(*options)
    return given[0]


def test_other_machines_are_not_listened_to_by_mistake() -> None:
    assert refused("--host", "0.0.0.0") == (
        "0.0.0.0 can be reached from other machines, and no API key is asked for; list keys with"
        " --api-keys FILE or STREAMSCRIBE_API_KEYS, or let anybody in with --allow-anonymous"
    )


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_nor_by_way_of_ipv6() -> None:
    assert "can be reached from other machines" in refused("--host", "::")


def test_keys_in_a_file_are_one_way_out(key_file: str) -> None:
    assert gets_as_far_as_the_model("--host", "0.0.0.0", "--api-keys", key_file)


def test_keys_in_the_environment_are_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSCRIBE_API_KEYS", SECRET)
    assert gets_as_far_as_the_model("--host", "0.0.0.0")


def test_saying_so_is_the_third() -> None:
    assert gets_as_far_as_the_model("--host", "0.0.0.0", "--allow-anonymous")


def test_an_environment_without_a_key_in_it_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSCRIBE_API_KEYS", "")
    assert "there is no API key in the list" in refused("--host", "0.0.0.0")


@pytest.mark.parametrize(
    ("address", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("fe80::1%eth0", False),
    ],
)
def test_what_only_this_machine_reaches(address: str, only_here: bool) -> None:
    assert is_loopback(address) == only_here


def test_keys_that_come_in_the_clear_are_warned_of(
    key_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    gets_as_far_as_the_model("--host", "0.0.0.0", "--api-keys", key_file)
    assert "API keys come in the clear to 0.0.0.0; --tls-cert encrypts them" in caplog.messages


def test_a_key_file_that_others_can_read_is_warned_of(
    key_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    os.chmod(key_file, 0o644)
    gets_as_far_as_the_model("--api-keys", key_file)
    assert any("every user of this machine can read the keys" in said for said in caplog.messages)
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_a_key_file_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError) as error:
        serve.main([*NO_MODEL, "--api-keys", "/no/such/keys"], standalone_mode=False)
    assert str(error.value.filename) == "/no/such/keys"


def test_the_terms_are_those_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, key_file: str
) -> None:
    said = "--open-metrics --sessions-per-key 3 --opens-per-minute 20 --cors-origin"
    terms = asked(monkeypatch, *said.split(), "https://App.example.com", "--api-keys", key_file)
    assert terms.keys is not None
    assert terms.keys.owner(SECRET) == "ada"
    assert (terms.open_metrics, terms.sessions_per_key, terms.opens_per_minute) == (True, 3, 20)
    assert terms.origins == ("https://app.example.com",)


def test_by_default_nobody_needs_a_key_and_no_page_of_another_host_may_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asked(monkeypatch) == Terms(opens_per_minute=600)


def test_a_limit_by_keys_needs_keys() -> None:
    assert "there are no --api-keys" in refused("--sessions-per-key", "3")


def test_an_origin_that_is_none_is_refused() -> None:
    assert "origin 'example.com' is not one" in refused("--cors-origin", "example.com")


@pytest.mark.parametrize("option", ["--tls-cert", "--tls-key"])
def test_half_a_certificate_is_refused(option: str, tmp_path: Path) -> None:
    (tmp_path / "half.pem").write_text(CERTIFICATE)
    assert refused(option, str(tmp_path / "half.pem")).startswith(f"{option} needs --tls-")


def test_a_certificate_with_the_key_of_another_is_refused_before_the_model_is_loaded(
    tmp_path: Path,
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(CERTIFICATE)
    key.write_text(KEY_OF_ANOTHER)
    options = ["--tls-cert", str(cert), "--tls-key", str(key)]
    assert f"the key in {key} is not that of the certificate in {cert}" in refused(*options)
    key.write_text(KEY)
    assert gets_as_far_as_the_model(*options)
