"""How much of what is asked for the machine can do: measured, never configured.

*Busy* is the part of the workers' time that goes into steps whose time has come. When it nears 1,
partials are left out, so it grows no further; *stretch* then says how many hops go by per partial
that is computed. Their product is the demand: what part of the workers' time live streams would
take if nothing were left out. Both are averages that forget, over about ``MEMORY_S``.

The streams that made this demand are counted in the same way. Those that are open now and were not
felt yet, and the one that asks, are expected to take as much as the average of those that were,
or what was measured at the start as long as these are few; those that have gone are taken off.
"""

import math
from typing import Final

MEMORY_S: Final = 10.0
"""Long against a hop and a pause between sentences, short against a session."""

MOST_DEMAND: Final = 1.4
"""With partials left out as this implies, a hop of 0.5 s becomes one of 0.7 s."""
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
        self._skipped = 0.0
        self._rigid = 0.0
        self._streams = 0
        self._stream_s = 0.0

    def computed(self, now_s: float, busy_s: float) -> None:
        """A call for steps whose time had come kept a worker busy until now."""
        self._forget(now_s)
        self._busy_s += busy_s

    def partial(self, now_s: float, *, rigid: bool) -> None:
        """A partial was handed out; rigid: it is of a kind that can't be left out."""
        self._forget(now_s)
        self._partials += 1
        self._rigid += rigid

    def skipped(self, now_s: float, partials: int) -> None:
        """So many partials were left out. It may be long until one is handed out again."""
        self._forget(now_s)
        self._skipped += partials

    def open(self, now_s: float, streams: int) -> None:
        """So many streams are open from now on."""
        self._forget(now_s)
        self._streams = streams

    def busy(self, now_s: float) -> float:
        """Part of the workers' time, in [0, 1] but for what a call in progress adds at its end."""
        self._forget(now_s)
        return self._busy_s / (self._workers * self._felt_s)

    @property
    def stretch(self) -> float:
        """Hops per partial, at least 1."""
        return 1 + self._skipped / max(1.0, self._partials)

    def has_room(self, now_s: float) -> bool:
        """Whether one more stream would be served as it should."""
        demand = self.busy(now_s) * self.stretch
        felt = self._stream_s / self._felt_s
        known = PRIOR_WEIGHT * self._stream_demand + demand
        expected = demand + (self._streams + 1 - felt) * known / (PRIOR_WEIGHT + felt)
        rigid = self._rigid > self._partials / 2
        return expected <= (MOST_DEMAND_RIGID if rigid else MOST_DEMAND)

    @property
    def _felt_s(self) -> float:
        """How much time the averages stand for."""
        return max(1.0, MEMORY_S * (1 - math.exp((self._began_s - self._updated_s) / MEMORY_S)))

    def _forget(self, now_s: float) -> None:
        kept = math.exp((self._updated_s - now_s) / MEMORY_S)
        self._updated_s = now_s
        self._stream_s = kept * self._stream_s + self._streams * MEMORY_S * (1 - kept)
        self._busy_s *= kept
        self._partials *= kept
        self._skipped *= kept
        self._rigid *= kept
