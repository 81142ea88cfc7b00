"""Which web pages may use the server.

A browser says in ``Origin`` whose page opens a WebSocket, and opens it without asking anybody, so
the server has to look. Programs send no ``Origin`` and pass.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

ANY = "*"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BadOrigin(Exception):
    """What should be an origin is none."""


def checked_origin(origin: str) -> str:
    """``origin`` as browsers write it: ``https://example.com``, ``null`` or ``*``.

    Raises ``BadOrigin``.
    """
    origin = origin.lower().removesuffix("/")
    parts = urlsplit(origin)
    if origin not in (ANY, "null") and (
        parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path or parts.query
    ):
        raise BadOrigin(
            f"origin {origin!r} is not one; allowed: scheme and host, such as"
            " https://example.com or http://localhost:3000, or * for every page of the web"
        )
    return origin


def may_come(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """Whether a page of ``origin`` may open a WebSocket to a server that it calls ``host``.

    The scheme is not compared with ours: a proxy may speak TLS for us.
    """
    if origin is None or ANY in allowed or origin.lower() in allowed:
        return True
    try:
        parts = urlsplit(origin.lower())
        default = _DEFAULT_PORTS.get(parts.scheme)
        here = urlsplit(f"//{host.lower()}")
        theirs, ours = (
            (parts.hostname, parts.port or default),
            (here.hostname, here.port or default),
        )
    except ValueError:  # not an address
        return False
    return parts.hostname is not None and theirs == ours
