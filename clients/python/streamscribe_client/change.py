"""Waiting until something has become true, for tasks of one event loop."""

import asyncio
from collections.abc import Callable


class Change:
    """Wakes all who wait, so that each looks whether what it waits for is true now."""

    def __init__(self) -> None:
        self._happened = asyncio.Event()

    def announce(self) -> None:
        """Something has changed."""
        self._happened.set()
        self._happened.clear()

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once ``true()``; other tasks have their turn before in any case."""
        if true():
            await asyncio.sleep(0)
        while not true():
            await self._happened.wait()
