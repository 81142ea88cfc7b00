import asyncio

import pytest

from streamscribe_server.loop_lag import TICK_S, watch_loop_lag


def test_a_loop_that_is_held_up_is_told_by_how_long() -> None:
    now_s = 100.0
    delays_s = iter([0.0, 0.3, 0.002])
    told: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        assert seconds == TICK_S
        if len(told) == 3:
            raise asyncio.CancelledError
        now_s += seconds + next(delays_s)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch_loop_lag(told.append, lambda: now_s, sleep))
    assert told == pytest.approx([0.0, 0.3, 0.002])
