"""API keys: who may use the server.

Only hashes are kept. A key presented is compared with every one in constant time, so the answer's
delay tells nothing. A client presents it in one of three places, looked at in this order::

    Authorization: Bearer KEY            or Token KEY
    ?token=KEY                           for those who can set nothing else; proxies log it
    Sec-WebSocket-Protocol: token, KEY   for browsers; the server answers ``token``
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

ENVIRONMENT = "STREAMSCRIBE_API_KEYS"
SUBPROTOCOL = "token"

_KEY = re.compile(r"[A-Za-z0-9._~-]{16,200}")
"""What fits unquoted into a header, a URL and a subprotocol; too long to be guessed."""
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_SCHEMES = ("bearer", "token")


class BadKeys(Exception):
    """A list of keys can't be used. The message names the place and never the key."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key and whom it belongs to."""

    name: str
    """For log lines and limits. Where none is given: ``key-`` and six digits of the hash."""
    digest: bytes
    """SHA-256 of the key."""


class Keys:
    """All keys of a server."""

    def __init__(self, keys: Iterable[Key]) -> None:
        """Raises ``BadKeys`` if there is none, or two of one name."""
        self._keys = tuple(keys)
        if not self._keys:
            raise BadKeys("there is no API key in the list; give at least one")
        names = [key.name for key in self._keys]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadKeys(f"API keys have one name twice: {', '.join(twice)}; allowed: once each")

    def __len__(self) -> int:
        return len(self._keys)

    def owner(self, presented: str | None) -> str | None:
        """Name of the key that was presented; None: it is none of ours."""
        digest = hashlib.sha256((presented or "").encode()).digest()
        found = None
        for key in self._keys:  # all of them, always
            if hmac.compare_digest(key.digest, digest):
                found = key.name
        return found


def read_keys(file: Path | None, listed: str | None) -> Keys | None:
    """The keys of ``file``, one a line, and of ``listed``, separated by commas.

    A key is written ``KEY`` or ``NAME:KEY``; empty lines and those from ``#`` on are skipped.
    None if both are None. Raises ``BadKeys`` and ``OSError``.
    """
    if file is None and listed is None:
        return None
    written: list[tuple[str, str]] = []
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise BadKeys(f"{file} is not a text file: {error.reason}") from None
        written += [(f"{file}, line {at}", line) for at, line in enumerate(lines, 1)]
    if listed is not None:
        items = enumerate(listed.split(","), 1)
        written += [(f"{ENVIRONMENT}, entry {at}", item) for at, item in items]
    stripped = ((place, text.strip()) for place, text in written)
    return Keys(_key(place, text) for place, text in stripped if text and text[0] != "#")


def presented_key(connection: HTTPConnection) -> str | None:
    """What a client presents as its key, right or wrong; None: nothing."""
    scheme, _, credentials = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES:
        return credentials.strip()
    if (token := connection.query_params.get("token")) is not None:
        return token
    offered = connection.scope.get("subprotocols", [])
    if len(offered) >= 2 and offered[0] == SUBPROTOCOL:
        return str(offered[1])
    return None


def answered_subprotocol(connection: HTTPConnection) -> str | None:
    """The subprotocol that a browser waits for, if it offered its key as one."""
    offered = connection.scope.get("subprotocols", [])
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _key(place: str, text: str) -> Key:
    name, colon, key = text.rpartition(":")
    if not _KEY.fullmatch(key):
        raise BadKeys(
            f"{place}: the API key has {len(key)} characters;"
            " allowed: 16 to 200 of A-Z a-z 0-9 . _ ~ - (write NAME:KEY, or KEY alone)"
        )
    if colon and not _NAME.fullmatch(name):
        raise BadKeys(f"{place}: the key's name is {name!r}; allowed: A-Z a-z 0-9 . _ @ -")
    digest = hashlib.sha256(key.encode()).digest()
    return Key(name if colon else f"key-{digest.hex()[:6]}", digest)
