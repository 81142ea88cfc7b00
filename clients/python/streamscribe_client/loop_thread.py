"""An event loop on a thread of its own, for callers without one."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from streamscribe_protocol.errors import LocalProtocolError

T = TypeVar("T")
Argument = TypeVar("Argument")

JOIN_TIMEOUT_S = 5
"""Longest wait for the thread to end; a name that is still being looked up may hold it."""


class LoopThread:
    """Runs coroutines for other threads until ``stop``. A daemon: it never holds up the exit."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._stopped = False  # written under the gate
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What ``coroutine`` returns or raises; any number of threads may call at once.

        An interrupt of the waiting thread cancels the coroutine. Raises ``LocalProtocolError``
        after ``stop``.
        """
        with self._gate:
            if self._stopped:
                coroutine.close()
                raise LocalProtocolError("the stream is closed")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, action: Callable[[Argument], None], argument: Argument) -> None:
        """Have the loop call ``action(argument)``, without waiting; nothing after ``stop``."""
        with self._gate:
            if not self._stopped:
                self._loop.call_soon_threadsafe(action, argument)

    def stop(self) -> None:
        """Cancel what is still running and end the thread. May be called again."""
        with self._gate:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(JOIN_TIMEOUT_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
