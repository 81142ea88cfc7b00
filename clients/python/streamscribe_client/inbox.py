"""Events that came and were not asked for yet, and how the dialogue ended."""

import asyncio
from collections import deque

from streamscribe_client.events import StreamEvent
from streamscribe_protocol.messages import Partial

MAX_WAITING = 1_000
"""Events kept for a caller who does not iterate; beyond it, a new partial replaces the last one
kept if that is a partial too. Finals are always kept."""


class Inbox:
    """A queue of events that ends, well or with a failure. For tasks of one event loop."""

    def __init__(self) -> None:
        self.ended = False
        self._failure: BaseException | None = None
        self._waiting: deque[StreamEvent] = deque()
        self._changed = asyncio.Event()

    def put(self, event: StreamEvent) -> None:
        """Keep an event until it is asked for."""
        full = len(self._waiting) >= MAX_WAITING
        if full and isinstance(event, Partial) and isinstance(self._waiting[-1], Partial):
            self._waiting.pop()
        self._waiting.append(event)
        self._changed.set()

    def end(self, failure: BaseException | None) -> None:
        """No more events; only the first call counts."""
        if not self.ended:
            self.ended, self._failure = True, failure
        self._changed.set()

    async def get(self) -> StreamEvent | None:
        """The next event; after the last one None, or the failure raised."""
        while not self._waiting:
            if self.ended:
                self.raise_failure()
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    @property
    def failure(self) -> BaseException | None:
        """What ended the dialogue early, if anything did."""
        return self._failure

    def raise_failure(self) -> None:
        """Raise what ended the dialogue early, if anything did."""
        if self._failure is not None:
            raise self._failure
