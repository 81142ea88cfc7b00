"""Whether the other side is still there, and whether it is told that we are.

Counted in looks rather than on a clock: a program that stood still for a while, suspended or
busy, looks once afterwards, and by then the messages that came meanwhile can be read.
"""

LOOKS_PER_HEARTBEAT = 2
MISSED_HEARTBEATS = 3
"""Without any message for this many heartbeats, the connection counts as broken."""


class Liveness:
    """Looks since each side of one connection was last heard."""

    def __init__(self) -> None:
        self._looks_since_server = 0
        self._looks_since_client = 0

    def server_spoke(self) -> None:
        """A message of the server came."""
        self._looks_since_server = 0

    def client_spoke(self) -> None:
        """Something was sent."""
        self._looks_since_client = 0

    def look(self) -> None:
        """Another part of a heartbeat's time has gone by; look ``LOOKS_PER_HEARTBEAT`` times."""
        self._looks_since_server += 1
        self._looks_since_client += 1

    @property
    def server_is_gone(self) -> bool:
        """Whether too many heartbeats are missing."""
        return self._looks_since_server >= MISSED_HEARTBEATS * LOOKS_PER_HEARTBEAT

    @property
    def keep_alive_is_due(self) -> bool:
        """Whether nothing was sent for as long as a heartbeat takes."""
        return self._looks_since_client >= LOOKS_PER_HEARTBEAT
