"""What a client's caller has to reckon with, besides ``ProtocolError``.

::

    ConnectionError (built in)
    ├── ConnectionFailed   no connection came about
    ├── ServerBusy         the server takes no more streams now
    └── ConnectionLost     the connection broke before the dialogue was over
    ServerError            the server said why it ended the dialogue
"""

from http import HTTPStatus

from streamscribe_protocol.close_codes import CloseCode

NO_CLOSE_FRAME = 1006
"""What WebSocket calls a connection that broke without a farewell."""


class ConnectionFailed(ConnectionError):
    """No connection came about. ``status`` is the HTTP status, if there was one."""

    def __init__(self, *, url: str, reason: str, status: int | None = None) -> None:
        hint = "" if status else "; is a server running there? `streamscribe serve` starts one"
        super().__init__(f"can't connect to {url}: {reason}{hint}")
        self.url = url
        self.reason = reason
        self.status = status

    @property
    def temporary(self) -> bool:
        """Whether it is worth another try: nobody answered, or what answered had no server."""
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @classmethod
    def refused(cls, *, url: str, status: int) -> "ConnectionFailed":
        """The server answered the handshake with an HTTP error."""
        known = status in {item.value for item in HTTPStatus}
        phrase = f" ({HTTPStatus(status).phrase})" if known else ""
        if status == HTTPStatus.UNAUTHORIZED:
            phrase += "; it wants an API key: api_key=, --api-key or STREAMSCRIBE_API_KEY"
        return cls(
            url=url,
            reason=f"the server answered with HTTP status {status}{phrase}",
            status=status,
        )


class ServerBusy(ConnectionError):
    """The server takes no more streams now. ``retry_after_s`` is its advice, if it gave any."""

    def __init__(self, *, retry_after_s: int | None) -> None:
        advice = "" if retry_after_s is None else f"; it says to try again in {retry_after_s} s"
        super().__init__(f"the server takes no more streams now{advice}")
        self.retry_after_s = retry_after_s


class ConnectionLost(ConnectionError):
    """The connection ended before ``done``. ``code`` is the WebSocket close code."""

    def __init__(self, *, code: int, reason: str) -> None:
        names: dict[int, str] = {item.value: item.name.lower() for item in CloseCode}
        name = "no close frame" if code == NO_CLOSE_FRAME else names.get(code, "unknown")
        super().__init__(
            f"the connection ended before the last final: close code {code} ({name})"
            + (f", {reason}" if reason else "")
        )
        self.code = code
        self.reason = reason


class ServerError(Exception):
    """The server ended the dialogue with a fatal ``error`` message."""

    def __init__(self, *, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
