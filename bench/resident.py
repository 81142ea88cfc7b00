"""Resident memory of a server's process over time."""

import threading
import time
from types import TracebackType
from typing import Final, Self

import numpy as np
import psutil  # type: ignore[import-untyped]

MB: Final = 1_000_000
EVERY_S: Final = 0.5


class Resident:
    """Samples the size of a process on a thread while the block runs."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began_s = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.at_s: list[float] = []
        self.mb: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def now_mb(self) -> float:
        """The size at this moment."""
        return float(self._process.memory_info().rss / MB)

    def median_mb(self, from_s: float, until_s: float) -> float:
        """Median between two moments, in seconds since this began to watch."""
        return float(
            np.median(
                [mb for at, mb in zip(self.at_s, self.mb, strict=True) if from_s <= at < until_s]
            )
        )

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                size_mb = self.now_mb()
            except psutil.NoSuchProcess:
                return
            self.at_s.append(time.monotonic() - self._began_s)
            self.mb.append(size_mb)
