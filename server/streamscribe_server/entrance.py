"""Who may come in: asked once for each WebSocket, before it is accepted, and for each request.

In this order: is the page allowed, is the key right, is it not too often, and has the key no more
sessions than it may. A wrong key and a missing one get the same words.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from streamscribe_server.keys import Keys, presented_key
from streamscribe_server.origins import may_come
from streamscribe_server.rates import Rates

RETRY_AFTER_S = 5
"""Advice to a key that has all its sessions open; nobody knows when one ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of those who come. The defaults let anybody in, at any rate."""

    keys: Keys | None = None
    open_metrics: bool = False
    """``/metrics`` needs no key."""
    sessions_per_key: int | None = None
    opens_per_minute: int | None = None
    """New sessions of one key, or without keys of one address."""
    origins: tuple[str, ...] = ()
    """Of web pages on other hosts."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """It may come in."""

    key: str | None
    """Name of its key; None where there are no keys."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not, and this is the answer. ``code`` is one word, also for counting."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


UNAUTHORIZED = Refused(
    401, "unauthorized", "an API key is needed: send the header Authorization: Bearer KEY"
)


class Entrance:
    """Admits or refuses. All methods run on the event loop."""

    def __init__(self, terms: Terms, clock: Callable[[], float] = time.monotonic) -> None:
        self.terms = terms
        self._open: Counter[str] = Counter()
        self._rates = Rates(terms.opens_per_minute, clock) if terms.opens_per_minute else None

    def admit(self, connection: HTTPConnection) -> Admitted | Refused:
        """A WebSocket wants to be opened."""
        headers = connection.headers
        origin = headers.get("Origin")
        if not may_come(origin, headers.get("Host", ""), self.terms.origins):
            message = f"pages of {origin} may not use this server; --cors-origin allows them"
            return Refused(403, "origin_not_allowed", message)
        key = self._key(connection)
        # A wrong key is held against the address, so it can't use up what the right one may.
        wait_s = self._wait_s(key or _address(connection))
        if wait_s:
            allowed = self.terms.opens_per_minute
            message = f"too many connections were opened; allowed: {allowed} a minute"
            return Refused(429, "too_many_opens", message, wait_s)
        if self.terms.keys is not None and key is None:
            return UNAUTHORIZED
        most = self.terms.sessions_per_key
        if key is not None and most is not None and self._open[key] >= most:
            message = f"{self._open[key]} sessions of this key are open; allowed: {most}"
            return Refused(429, "too_many_sessions", message, RETRY_AFTER_S)
        return Admitted(key)

    def may_ask(self, connection: HTTPConnection) -> Refused | None:
        """A request that is not about a stream; None: it is answered."""
        if self.terms.keys is None or self._key(connection) is not None:
            return None
        return UNAUTHORIZED

    @contextmanager
    def inside(self, admitted: Admitted) -> Iterator[None]:
        """Counts the one admitted among the sessions of its key while the block runs."""
        if admitted.key is None:
            yield
            return
        self._open[admitted.key] += 1
        try:
            yield
        finally:
            self._open[admitted.key] -= 1

    def _key(self, connection: HTTPConnection) -> str | None:
        keys = self.terms.keys
        return keys.owner(presented_key(connection)) if keys is not None else None

    def _wait_s(self, who: str) -> int:
        return self._rates.take(who) if self._rates is not None else 0


def _address(connection: HTTPConnection) -> str:
    """Who it is by its address. Of IPv6, a household has 64 bits to choose from."""
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"[{host}]"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return f"{address}/32"
