"""Where the time goes: stages of the work, told to whoever wants to know.

The session core has no clock. So the detector is timed around each frame, and a model tells of
its own parts.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from streamscribe.model import Samples
from streamscribe.vad import Vad, VadFactory

Stage: TypeAlias = Literal["vad", "features", "encode", "decode"]
Told: TypeAlias = Callable[[Stage, float], None]
"""Takes a stage and the seconds that it took once, on the thread where it ran."""


def untold(stage: Stage, seconds: float) -> None:
    """Nobody wants to know."""


@contextmanager
def timed(stage: Stage, told: Told) -> Iterator[None]:
    """The block is one run of ``stage``."""
    started_s = time.perf_counter()
    yield
    told(stage, time.perf_counter() - started_s)


class TimedVad:
    """A detector whose frames are timed."""

    def __init__(self, vad: Vad, told: Told) -> None:
        self._vad = vad
        self._told = told

    @property
    def frame_len(self) -> int:
        """Samples in one frame."""
        return self._vad.frame_len

    def speech_probability(self, frame: Samples) -> float:
        """As the detector says."""
        with timed("vad", self._told):
            return self._vad.speech_probability(frame)


def timed_vads(factory: VadFactory, told: Told) -> VadFactory:
    """``factory``, with every detector timed."""
    return lambda: TimedVad(factory(), told)
