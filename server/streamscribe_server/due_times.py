"""When the audio at a position was due: the deadline of the work that it makes possible.

A live packet is due when it arrives. A sender faster than real time (a file) would by that rule
own the machine, because all its audio "arrived" first. So a stream that runs ahead is held to
real time: its clock advances by the length of the audio received, and only a lead of more than
``BURST_S`` counts, so that jitter of the network costs a live stream nothing.

    due = max(arrival, virtual - BURST_S)      virtual = max(arrival, virtual + length)

Only a stream that is late against its own pace may leave out partials; what a burst delivers is
not late because it came at once::

    paced = max(arrival, paced + PACE * length)

so that of a file nothing is ever left out as long as it is heard faster than it lasts.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from streamscribe.timeline import SAMPLE_RATE

BURST_S: Final = 2.0
"""Lead on real time that is forgiven: what a network stall delivers at once when it ends."""

PACE: Final = 0.9
"""A little below 1: so a live stream is on time again within a minute after a stall of seconds."""

_GRAIN_LEN: Final = SAMPLE_RATE // 10
"""Positions are remembered every 100 ms: finer than a hop, and packets may be one byte long."""


@dataclass(frozen=True, slots=True)
class Due:
    """Two clocks of one position, in wall-clock seconds."""

    due_s: float
    paced_s: float
    """When the audio would have come at the stream's own pace; never before it came."""


class DueTimes:
    """Maps positions of one stream to wall-clock seconds; all of them only grow."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, Due]] = deque()
        self._heard_at = 0
        self._virtual_s = 0.0
        self._newest = Due(0.0, 0.0)

    def record(self, heard_at: int, now_s: float) -> None:
        """Audio up to before ``heard_at`` has arrived at ``now_s``."""
        arrived_s = (heard_at - self._heard_at) / SAMPLE_RATE
        self._virtual_s = max(now_s, self._virtual_s + arrived_s)
        self._newest = Due(
            max(now_s, self._virtual_s - BURST_S),
            max(now_s, self._newest.paced_s + PACE * arrived_s),
        )
        self._heard_at = heard_at
        if not self._marks or heard_at - self._marks[-1][0] >= _GRAIN_LEN:
            self._marks.append((heard_at, self._newest))

    def when(self, at: int) -> Due:
        """When the audio at ``at`` was due, on the clock given to ``record``.

        Forgets earlier positions: later calls may not ask for them. A position past everything
        recorded (the end of the audio) was due with the newest.
        """
        while self._marks and self._marks[0][0] < at:
            self._marks.popleft()
        return self._marks[0][1] if self._marks else self._newest
