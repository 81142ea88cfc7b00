"""A connection that ended before its dialogue did, and whether to go on over another one."""

import re

from streamscribe_client.errors import NO_CLOSE_FRAME, ConnectionLost, ServerBusy, ServerError
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Error

GOING_AWAY = 1001
"""What WebSocket calls a side that leaves; proxies say it too."""
RESUMABLE_CODES = frozenset(
    {
        GOING_AWAY,
        NO_CLOSE_FRAME,
        CloseCode.INTERNAL,
        CloseCode.RESTARTING,
        CloseCode.OVERLOADED,
    }
)
"""Close codes after which the stream may go on over another connection."""
RESUMABLE_ERRORS = frozenset({"internal", "restarting", "overloaded"})
"""The same of fatal errors, by their ``code``."""
MAX_INTERNAL = 3
"""Resumptions after ``internal`` in which nothing was acknowledged: the next would fail too."""

Cause = ConnectionLost | ServerBusy | ServerError
"""Why a connection ended, in the caller's terms."""


class Broken(Exception):
    """The connection ended, and the dialogue is to be resumed over another one."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
        self.cause = cause


class InternalFailures:
    """Counts the server's own failures that stand in the way of all progress."""

    def __init__(self) -> None:
        self._count = 0
        self._acknowledged_at = -1

    def too_many(self, acknowledged_at: int) -> bool:
        """Note one more; whether it is one too many without progress in between."""
        if acknowledged_at > self._acknowledged_at:
            self._count, self._acknowledged_at = 0, acknowledged_at
        self._count += 1
        return self._count > MAX_INTERNAL


def cause_of_close(code: int, reason: str) -> ConnectionLost | ServerBusy:
    """What a close code means before ``done``."""
    if code == CloseCode.OVERLOADED:
        advice = re.search(r"retry after (\d{1,6}) s", reason)
        return ServerBusy(retry_after_s=int(advice[1]) if advice else None)
    return ConnectionLost(code=code, reason=reason)


def cause_of_error(error: Error) -> ServerBusy | ServerError:
    """What a fatal error means."""
    if error.code == "overloaded":
        return ServerBusy(retry_after_s=None)
    return ServerError(code=error.code, message=error.message)
