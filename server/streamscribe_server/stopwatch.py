"""Times the stages of the engine thread's own work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamscribe_server.metrics import Metrics, Stage


class Stopwatch:
    """For one engine thread: stages within a stage are timed apart, and not twice."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._within_s = 0.0

    def told(self, stage: Stage, seconds: float) -> None:
        """Something within the stage that runs took so long."""
        self._within_s += seconds
        self._metrics.stage(stage, seconds)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """The block is one run of ``stage``, less what is ``told`` within."""
        self._within_s = 0.0
        started_s = time.perf_counter()
        yield
        self._metrics.stage(stage, time.perf_counter() - started_s - self._within_s)
