import hashlib
import secrets
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from streamscribe_server.keys import BadKeys, Key, Keys, presented_key, read_keys

ONE = secrets.token_urlsafe(24)
OTHER = secrets.token_urlsafe(24)


def coming(query: str = "", subprotocols: tuple[str, ...] = (), **headers: str) -> HTTPConnection:
    scope: dict[str, Any] = {
        "type": "websocket",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "query_string": query.encode(),
        "subprotocols": list(subprotocols),
    }
    return HTTPConnection(scope)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.txt"


def test_a_key_belongs_to_its_owner_and_any_other_to_nobody() -> None:
    keys = read_keys(None, f"ada:{ONE},grace:{OTHER}")
    assert keys is not None
    assert (keys.owner(ONE), keys.owner(OTHER)) == ("ada", "grace")
    for wrong in (None, "", ONE[:-1], ONE + "x", ONE.swapcase(), f"ada:{ONE}", "é" * 20):
        assert keys.owner(wrong) is None


def test_a_key_without_a_name_gets_one_that_stays_the_same_and_is_not_the_key() -> None:
    keys = read_keys(None, f"  {ONE} ,")
    assert keys is not None
    digits = hashlib.sha256(ONE.encode()).hexdigest()[:6]
    assert keys.owner(ONE) == f"key-{digits}"


def test_a_file_has_one_key_a_line_with_comments_between(file: Path) -> None:
    file.write_text(f"# who may\n\nada:{ONE}\n  {OTHER}  \n# gone:{'x' * 20}\n")
    keys = read_keys(file, None)
    assert keys is not None
    assert len(keys) == 2
    assert keys.owner(ONE) == "ada"
    assert keys.owner("x" * 20) is None


def test_a_file_and_the_environment_add_up(file: Path) -> None:
    file.write_text(f"ada:{ONE}\n")
    keys = read_keys(file, f"grace:{OTHER}")
    assert keys is not None
    assert len(keys) == 2


def test_neither_a_file_nor_the_environment_means_no_keys_at_all() -> None:
    assert read_keys(None, None) is None


@pytest.mark.parametrize("listed", ["", " , ", "# nobody"])
def test_an_empty_list_does_not_open_the_door(listed: str) -> None:
    with pytest.raises(BadKeys, match="there is no API key in the list"):
        read_keys(None, listed)


def test_a_key_that_is_too_short_is_refused_by_its_place_and_not_by_its_text(file: Path) -> None:
    file.write_text("# keys\nada:hunter2\n")
    with pytest.raises(BadKeys, match=r"keys\.txt, line 2: the API key has 7 characters") as error:
        read_keys(file, None)
    assert "hunter2" not in str(error.value)


def test_one_name_for_two_keys_is_refused() -> None:
    with pytest.raises(BadKeys, match="one name twice: ada"):
        read_keys(None, f"ada:{ONE},ada:{OTHER}")


def test_a_name_that_would_break_a_log_line_is_refused() -> None:
    with pytest.raises(BadKeys, match="the key's name is 'a da'"):
        read_keys(None, f"a da:{ONE}")


def test_a_file_that_is_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadKeys, match=r"keys\.txt is not a text file"):
        read_keys(file, None)


def test_keys_are_kept_as_hashes_only() -> None:
    keys = read_keys(None, f"ada:{ONE}")
    assert keys is not None
    assert keys._keys == (Key("ada", hashlib.sha256(ONE.encode()).digest()),)


@pytest.mark.parametrize(
    "connection",
    [
        coming(Authorization=f"Bearer {ONE}"),
        coming(Authorization=f"bearer   {ONE}"),
        coming(Authorization=f"Token {ONE}"),
        coming(query=f"token={ONE}"),
        coming(subprotocols=("token", ONE)),
    ],
)
def test_a_client_may_show_its_key_in_any_of_these_places(connection: HTTPConnection) -> None:
    assert presented_key(connection) == ONE


@pytest.mark.parametrize(
    "connection",
    [
        coming(),
        coming(Authorization=f"Basic {ONE}"),
        coming(query=f"key={ONE}"),
        coming(subprotocols=(ONE,)),
        coming(subprotocols=("token",)),
        coming(subprotocols=("other", ONE)),
    ],
)
def test_elsewhere_it_is_not_looked_for(connection: HTTPConnection) -> None:
    assert presented_key(connection) is None


def test_the_header_counts_before_the_url() -> None:
    assert presented_key(coming(query=f"token={ONE}", Authorization=f"Bearer {OTHER}")) == OTHER


def test_every_key_is_compared_wherever_the_right_one_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[bytes] = []

    def compare(ours: bytes, theirs: bytes) -> bool:
        compared.append(ours)
        return ours == theirs

    monkeypatch.setattr("streamscribe_server.keys.hmac.compare_digest", compare)
    digests = [hashlib.sha256(key.encode()).digest() for key in (ONE, OTHER)]
    keys = Keys([Key("ada", digests[0]), Key("grace", digests[1])])
    for presented in (ONE, OTHER, "nobody's"):
        compared.clear()
        keys.owner(presented)
        assert compared == digests
