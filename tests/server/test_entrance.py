import secrets
from typing import Any

from starlette.requests import HTTPConnection

from streamscribe_server.entrance import (
    RETRY_AFTER_S,
    UNAUTHORIZED,
    Admitted,
    Entrance,
    Refused,
    Terms,
)
from streamscribe_server.keys import Keys, read_keys

ADA = secrets.token_urlsafe(24)
GRACE = secrets.token_urlsafe(24)


def keys() -> Keys:
    found = read_keys(None, f"ada:{ADA},grace:{GRACE}")
    assert found is not None
    return found


def coming(
    key: str | None = None, address: str = "192.0.2.1", origin: str | None = None
) -> HTTPConnection:
    headers = [(b"host", b"asr.example.com")]
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    scope: dict[str, Any] = {
        "type": "websocket",
        "headers": headers,
        "query_string": b"",
        "subprotocols": [],
        "client": (address, 40_000),
    }
    return HTTPConnection(scope)


def at_rest() -> float:
    return 0.0


def test_without_terms_anybody_may_come() -> None:
    entrance = Entrance(Terms())
    assert entrance.admit(coming()) == Admitted(None)
    assert entrance.admit(coming(key="whatever it is")) == Admitted(None)
    assert entrance.may_ask(coming()) is None


def test_the_right_key_comes_in_under_its_name() -> None:
    entrance = Entrance(Terms(keys=keys()))
    assert entrance.admit(coming(GRACE)) == Admitted("grace")
    assert entrance.may_ask(coming(GRACE)) is None


def test_a_wrong_key_and_a_missing_one_are_told_the_same() -> None:
    entrance = Entrance(Terms(keys=keys()))
    for connection in (coming(), coming(""), coming(ADA[:-1]), coming("x" * 32)):
        assert entrance.admit(connection) == UNAUTHORIZED
        assert entrance.may_ask(connection) == UNAUTHORIZED


def test_a_page_of_another_host_is_refused_even_with_the_right_key() -> None:
    entrance = Entrance(Terms(keys=keys()))
    refused = entrance.admit(coming(ADA, origin="https://evil.example"))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (403, "origin_not_allowed")
    assert entrance.admit(coming(ADA, origin="https://asr.example.com")) == Admitted("ada")


def test_a_key_that_opens_too_often_is_told_when_to_come_again_and_others_come_in() -> None:
    entrance = Entrance(Terms(keys=keys(), opens_per_minute=2), at_rest)
    assert [entrance.admit(coming(ADA)) for _ in range(2)] == [Admitted("ada")] * 2
    refused = entrance.admit(coming(ADA, address="198.51.100.7"))
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code, refused.retry_after_s) == (429, "too_many_opens", 30)
    assert "allowed: 2 a minute" in refused.message
    assert entrance.admit(coming(GRACE)) == Admitted("grace")


def test_without_keys_it_is_the_address_that_may_not_open_too_often() -> None:
    entrance = Entrance(Terms(opens_per_minute=1), at_rest)
    assert isinstance(entrance.admit(coming(address="192.0.2.1")), Admitted)
    assert isinstance(entrance.admit(coming(address="192.0.2.1")), Refused)
    assert isinstance(entrance.admit(coming(address="192.0.2.2")), Admitted)


def test_all_addresses_of_one_ipv6_network_count_as_one() -> None:
    entrance = Entrance(Terms(opens_per_minute=1), at_rest)
    assert isinstance(entrance.admit(coming(address="2001:db8::1")), Admitted)
    assert isinstance(entrance.admit(coming(address="2001:db8::2:1")), Refused)
    assert isinstance(entrance.admit(coming(address="2001:db8:1::1")), Admitted)


def test_guessing_keys_slows_the_guesser_and_nobody_with_a_key() -> None:
    entrance = Entrance(Terms(keys=keys(), opens_per_minute=2), at_rest)
    answers = [entrance.admit(coming("x" * 32)) for _ in range(3)]
    assert [a.status for a in answers if isinstance(a, Refused)] == [401, 401, 429]
    assert entrance.admit(coming(ADA)) == Admitted("ada")


def test_a_key_has_no_more_sessions_than_it_may_and_one_that_ends_makes_room() -> None:
    entrance = Entrance(Terms(keys=keys(), sessions_per_key=1))
    with entrance.inside(Admitted("ada")):
        refused = entrance.admit(coming(ADA))
        assert refused == Refused(
            429,
            "too_many_sessions",
            "1 sessions of this key are open; allowed: 1",
            RETRY_AFTER_S,
        )
        assert entrance.admit(coming(GRACE)) == Admitted("grace")
    assert entrance.admit(coming(ADA)) == Admitted("ada")
