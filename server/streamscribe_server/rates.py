"""How often something may happen: buckets of tokens, one for each who does it."""

import math
from collections import OrderedDict
from collections.abc import Callable


class Rates:
    """At most ``per_minute`` at once, and on average, for each of those that are told apart.

    Each has a bucket that holds ``per_minute`` tokens and fills evenly. Of the buckets, the
    ``max_known`` used last are kept: forgetting one makes it full, which a bucket left alone for
    a minute is anyway.
    """

    def __init__(
        self, per_minute: float, clock: Callable[[], float], max_known: int = 10_000
    ) -> None:
        assert per_minute > 0, f"a rate of {per_minute} allows nothing, ever"
        self._capacity = max(1.0, per_minute)
        self._per_s = per_minute / 60
        self._clock = clock
        self._max_known = max_known
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens, and when there were so many."""

    def take(self, who: str) -> int:
        """Whole seconds that ``who`` has to wait; 0: it may, and one token is taken."""
        now_s = self._clock()
        tokens, then_s = self._buckets.get(who, (self._capacity, now_s))
        tokens = min(self._capacity, tokens + (now_s - then_s) * self._per_s)
        allowed = tokens >= 1
        self._buckets[who] = (tokens - 1 if allowed else tokens, now_s)
        self._buckets.move_to_end(who)
        if len(self._buckets) > self._max_known:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) / self._per_s))
