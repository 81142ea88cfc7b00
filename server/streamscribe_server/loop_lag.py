"""How late the event loop is: a timer that compares when it runs with when it should."""

import asyncio
import time
from collections.abc import Awaitable, Callable

TICK_S = 0.05


async def watch_loop_lag(
    tell: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Every ``TICK_S``, ``tell`` by how many seconds the tick was late. Runs until cancelled."""
    while True:
        due_s = clock() + TICK_S
        await sleep(TICK_S)
        tell(max(0.0, clock() - due_s))
