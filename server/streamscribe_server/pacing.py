"""Frames of one client, taken no faster than a rate that leaves time for everybody else.

A frame costs the event loop about as much however small it is. So a client that floods it with
tiny ones is read from more slowly, and TCP slows it down; nothing is lost and nothing is said.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive

from streamscribe_server.limits import Limits


class Pace:
    """``receive`` of an ASGI connection, which waits first if the frames before came too fast.

    The wait comes before the frame is taken, so a caller that gives up waiting loses none.
    """

    def __init__(
        self,
        receive: Receive,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._receive = receive
        self._text_s = 1 / limits.text_frames_per_s
        self._binary_s = 1 / limits.binary_frames_per_s
        self._ahead_s = limits.frame_burst_s
        self._clock = clock
        self._sleep = sleep
        self._paid_until_s = clock()

    async def __call__(self) -> Message:
        """The next frame."""
        wait_s = self._paid_until_s - self._clock() - self._ahead_s
        # Also when there is nothing to wait for: frames that lie ready must not keep the loop.
        await self._sleep(max(0.0, wait_s))
        message = await self._receive()
        cost_s = self._text_s if message.get("text") is not None else self._binary_s
        self._paid_until_s = max(self._paid_until_s, self._clock()) + cost_s
        return message
