"""Seconds and megabytes, on this machine, in this run."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamscribe.model import Samples
from streamscribe_export.front_end import SAMPLE_RATE
from streamscribe_export.signals import babble

WINDOWS_S: Final = (5.0, 10.0)
REPETITIONS: Final = 5
LEAST_REPETITIONS: Final = 3
BUDGET_S: Final = 60.0
"""Of measuring one length: models that take longer are run fewer times."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Median seconds of compute by runtime, for windows of one length."""

    window_s: float
    median_s: Mapping[str, float]
    repetitions: int

    def rtf(self, runtime: str) -> float:
        """Seconds of compute for a second of audio."""
        return self.median_s[runtime] / self.window_s

    def as_json(self) -> dict[str, Any]:
        """For the bundle's ``measured``."""
        return {
            "window_s": self.window_s,
            "repetitions": self.repetitions,
            "median_s": {name: round(median, 4) for name, median in self.median_s.items()},
        }


def measure(
    runs: Mapping[str, Callable[[Samples], object]],
    window_s: float,
    repetitions: int = REPETITIONS,
    *,
    sound: Samples | None = None,
) -> Speed:
    """Medians of runtimes that take turns, so that whatever else the machine does hits all.

    Fewer repetitions are made where they would take more than a minute. One warm-up run each is
    not counted.

    sound: what is heard, over and over; None: babble. How long a decoder writes depends on it.
    """
    length = int(window_s * SAMPLE_RATE)
    window = (babble(length) if sound is None else np.resize(sound, length))[np.newaxis]
    began = time.perf_counter()
    for run in runs.values():
        run(window)
    once_s = time.perf_counter() - began
    repetitions = max(LEAST_REPETITIONS, min(repetitions, int(BUDGET_S / max(once_s, 1e-9))))
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            began = time.perf_counter()
            run(window)
            taken[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    return Speed(window_s, medians, repetitions)


def peak_memory_bytes() -> int:
    """Most memory that this process ever held; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
