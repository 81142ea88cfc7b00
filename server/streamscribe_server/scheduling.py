"""How the work of one model on one device is shared out."""

from dataclasses import dataclass
from typing import Final

from streamscribe.machine import usable_cores

CPU_BATCH: Final = 8
GPU_BATCH: Final = 32
"""A GPU computes so many steps in about the time of one."""
MOST_WORKERS: Final = 4
"""Workers share one interpreter, whose part of a step is about a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """What an operator may choose."""

    workers: int = 1
    """Threads that call the model, each with a batch of its own."""
    max_batch: int = CPU_BATCH
    """Most steps in one call. A final that comes next waits for the call before it."""
    coalesce: bool = True
    """Leave out partials that are late by a hop and overtaken by newer audio."""


def default_scheduling(*, cores: int | None = None, on_gpu: bool = False) -> Scheduling:
    """One worker for a GPU; else a worker per core, up to ``MOST_WORKERS``.

    Small calls gain more from a neighbour on the other core than from sharing both.
    """
    if on_gpu:
        return Scheduling(max_batch=GPU_BATCH)
    return Scheduling(workers=min(MOST_WORKERS, cores or usable_cores()))


def threads_per_worker(workers: int, cores: int | None = None) -> int:
    """Threads of one model call, so that all workers together use every core once."""
    return max(1, (cores or usable_cores()) // workers)
