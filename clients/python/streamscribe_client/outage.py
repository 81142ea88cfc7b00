"""How long to wait before a broken connection is tried again, and when to give up.

No clock and no chance in here: the time and the jitter are told.
"""

from collections.abc import Iterator

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0


def waits_s() -> Iterator[float]:
    """The schedule without jitter: 0.1 s, doubled until it is 5 s, then 5 s for ever."""
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


class Outage:
    """One time without a connection, from the break until it is given up."""

    def __init__(self, began_s: float, patience_s: float) -> None:
        self.began_s = began_s
        self._ends_s = began_s + patience_s
        self._waits_s = waits_s()

    def wait_s(self, now_s: float, jitter: float, retry_after_s: float | None) -> float | None:
        """Seconds until the next attempt; None: give up.

        ``jitter`` in [0, 1) spreads clients that broke together over the second half of each
        wait. ``retry_after_s`` is what the server asked for last: never less is waited. The last
        attempt is made when the patience ends, unless the server asked for longer.
        """
        left_s = self._ends_s - now_s
        if left_s <= 0 or (retry_after_s or 0.0) > left_s:
            return None
        spread_s = next(self._waits_s) * (0.5 + jitter / 2)
        return min(max(spread_s, retry_after_s or 0.0), left_s)
