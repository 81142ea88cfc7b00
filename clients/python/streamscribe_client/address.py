"""Where a server is: what a user writes, as the URL of the native protocol."""

from urllib.parse import urlsplit, urlunsplit

from streamscribe_protocol.errors import LocalProtocolError
from streamscribe_protocol.messages import STREAM_PATH

DEFAULT_PORT = 8000
"""Port of ``streamscribe serve``; stands in where neither a scheme nor a port was given."""

_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}


def stream_url(server: str) -> str:
    """The WebSocket URL for ``host``, ``host:port`` or a ``ws``, ``wss``, ``http``, ``https`` URL.

    The protocol's path is added unless the URL ends with it already. Raises
    ``LocalProtocolError`` for anything else.
    """
    bare = "://" not in server
    try:
        parts = urlsplit(f"ws://{server}" if bare else server)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise LocalProtocolError(f"server {server!r} is not a URL: {error}") from error
    if parts.scheme not in _SCHEMES or not host:
        raise LocalProtocolError(
            f"server {server!r} is not an address;"
            " allowed: host, host:port, or a ws://, wss://, http:// or https:// URL"
        )
    netloc = f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}" if bare and port is None else parts.netloc
    base = parts.path.rstrip("/")
    path = base if base.endswith(STREAM_PATH) else base + STREAM_PATH
    return urlunsplit((_SCHEMES[parts.scheme], netloc, path, parts.query, ""))
