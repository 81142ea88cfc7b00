"""What the shell needs of the world: connections, time and chance. Tests bring their own."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from streamscribe_client.websocket import WebSocket, open_websocket


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Functions, all of them."""

    dial: Callable[[str, float], Awaitable[WebSocket]] = open_websocket
    """A connection to a URL, within seconds. Raises ``ConnectionFailed`` or ``ServerBusy``."""
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Returns after seconds."""
    chance: Callable[[], float] = random.random
    """In [0, 1)."""


REAL = Surroundings()
