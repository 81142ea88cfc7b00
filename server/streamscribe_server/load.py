"""How much of what is asked for the machine can do: measured, never configured.

*Busy* is the part of the workers' time that goes into steps whose time has come. When it nears 1,
partials are left out, so it grows no further; *stretch* then says how many hops go by per partial
that is computed. Their product is the demand: what part of the workers' time live streams would
take if nothing were left out. Both are averages that forget, over about ``MEMORY_S``.

A stream that was just admitted has not been felt yet. So the demand of one stream is added for
each that is younger than ``MEMORY_S``, and for the one that asks: the average of those that are
felt, or what was measured at the start as long as these are few.
"""

import math
from collections import deque
from typing import Final

MEMORY_S: Final = 10.0
"""Long against a hop and a pause between sentences, short against a session."""

MOST_DEMAND: Final = 1.6
"""With partials left out as this implies, a hop of 0.5 s becomes one of 0.8 s."""
MOST_DEMAND_RIGID: Final = 0.85
"""Of models whose steps can't be left out: what lies above is variation from second to second."""

PRIOR_WEIGHT: Final = 2
"""The measurement at the start counts like so many streams."""


class Load:
    """Times are seconds of one clock that never goes back."""

    def __init__(self, workers: int, now_s: float, stream_demand: float = 0.0) -> None:
        """stream_demand: part of all workers' time that one stream of speech is thought to take."""
        self._workers = workers
        self._stream_demand = stream_demand
        self._began_s = self._updated_s = now_s
        self._busy_s = 0.0
        self._partials = 0.0
        self._hops = 0.0
        self._rigid = 0.0
        self._opened_s: deque[float] = deque()

    def computed(self, now_s: float, busy_s: float) -> None:
        """A call for steps whose time had come kept a worker busy until now."""
        self._forget(now_s)
        self._busy_s += busy_s

    def partial(self, now_s: float, skipped: int, *, rigid: bool) -> None:
        """A partial was handed out, ``skipped`` before it left out; rigid: none can be."""
        self._forget(now_s)
        self._partials += 1
        self._hops += 1 + skipped
        self._rigid += rigid

    def opened(self, now_s: float) -> None:
        """A stream was admitted."""
        self._opened_s.append(now_s)

    def busy(self, now_s: float) -> float:
        """Part of the workers' time, in [0, 1] but for what a call in progress adds at its end."""
        self._forget(now_s)
        felt_s = MEMORY_S * (1 - math.exp((self._began_s - now_s) / MEMORY_S))
        return self._busy_s / (self._workers * max(felt_s, 1.0))

    @property
    def stretch(self) -> float:
        """Hops per partial, at least 1."""
        return self._hops / self._partials if self._partials >= 1 else 1.0

    def has_room(self, now_s: float, streams: int) -> bool:
        """Whether one more stream beside ``streams`` would be served as it should."""
        demand = self.busy(now_s) * self.stretch
        while self._opened_s and now_s - self._opened_s[0] > MEMORY_S:
            self._opened_s.popleft()
        new = min(len(self._opened_s), streams)
        felt = streams - new
        known = PRIOR_WEIGHT * self._stream_demand + demand
        expected = demand + (new + 1) * known / (PRIOR_WEIGHT + felt)
        rigid = self._rigid > self._partials / 2
        return expected <= (MOST_DEMAND_RIGID if rigid else MOST_DEMAND)

    def _forget(self, now_s: float) -> None:
        kept = math.exp((self._updated_s - now_s) / MEMORY_S)
        self._updated_s = now_s
        self._busy_s *= kept
        self._partials *= kept
        self._hops *= kept
        self._rigid *= kept
