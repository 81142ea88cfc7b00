"""Ways to spread model calls over threads, and what one of them makes of a list of steps."""

import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from streamscribe import onnx_graph
from streamscribe.model import Step, StepResult
from streamscribe.recognizer import Recognizer, load_recognizer

PULSE_S: Final = 0.01
"""How often the event loop's stand-in wants to wake up."""


class Spin(StrEnum):
    """What the runtime's threads do while they have no work: they look for it, or they sleep."""

    STOPPED = "stopped"  # look for it during a call, sleep between calls: what ships
    OFF = "off"  # always sleep
    ON = "on"  # look for it after a call, too


@dataclass(frozen=True, slots=True)
class Setup:
    """One way."""

    name: str
    workers: int = 1
    """Threads of ours that call a model, each a copy of its own."""
    threads: int = 1
    """Of the runtime, for one call, the calling one included."""
    spin: Spin = Spin.STOPPED
    batch: int = 1
    """Steps given to one call."""
    pinned: bool = False
    """Whether each worker stays on a core of its own."""
    nice: int = 0


SETUPS: Final = (
    Setup("1 worker, 1 thread"),
    Setup("1 worker, 2 threads", threads=2),
    Setup("1 worker, 2 threads, no spinning", threads=2, spin=Spin.OFF),
    Setup("1 worker, 2 threads, spinning on", threads=2, spin=Spin.ON),
    Setup("1 worker, 2 threads, 4 steps a call", threads=2, batch=4),
    Setup("1 worker, 2 threads, nice 10", threads=2, nice=10),
    Setup("2 workers, 1 thread each", workers=2),
    Setup("2 workers, 1 thread each, pinned", workers=2, pinned=True),
    Setup("2 workers, 1 thread each, nice 10", workers=2, nice=10),
    Setup("2 workers, 2 threads each", workers=2, threads=2),
)


@dataclass(slots=True)
class Played:
    """What one way made of the steps."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    latencies_s: dict[int, float] = field(default_factory=dict)
    """By step: how long the call took that it was part of."""
    results: dict[int, StepResult] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    """How much too late the event loop's stand-in woke up, each time."""


def load(setup: Setup, model: str, models_dir: Path | None) -> list[Recognizer]:
    """A warm copy of the model for each worker. The loading thread's niceness is inherited by the
    runtime's threads, so a thread with the set-up's loads."""
    loaded: list[Recognizer] = []

    def work() -> None:
        _be_nice(setup.nice)
        with _spinning(setup.spin):
            for _ in range(setup.workers):
                loaded.append(load_recognizer(model, threads=setup.threads, models_dir=models_dir))
                loaded[-1].warm_up()

    loading = threading.Thread(target=work)
    loading.start()
    loading.join()
    assert len(loaded) == setup.workers, f"{model} could not be loaded for {setup.name}"
    return loaded


@contextmanager
def _spinning(spin: Spin) -> Iterator[None]:
    """Graphs opened in here spin like that. Reaches into the engine: only a measurement asks."""
    shipped = dict(onnx_graph.SPINNING)
    if spin is not Spin.STOPPED:
        onnx_graph.SPINNING.clear()
        onnx_graph.SPINNING["session.intra_op.allow_spinning"] = "1" if spin is Spin.ON else "0"
    try:
        yield
    finally:
        onnx_graph.SPINNING.clear()
        onnx_graph.SPINNING.update(shipped)


def play(setup: Setup, recognizers: Sequence[Recognizer], steps: Sequence[Step]) -> Played:
    """Compute all steps as fast as that goes; each worker takes the next ones when it is free."""
    played = Played()
    waiting: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    for start in range(0, len(steps), setup.batch):
        waiting.put(list(range(start, min(start + setup.batch, len(steps)))))
    cores = sorted(os.sched_getaffinity(0))

    def work(worker: int) -> None:
        _be_nice(setup.nice)
        if setup.pinned:
            os.sched_setaffinity(0, {cores[worker % len(cores)]})
        while True:
            try:
                batch = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.perf_counter()
            results = recognizers[worker].run([steps[at] for at in batch])
            took_s = time.perf_counter() - began
            played.latencies_s |= dict.fromkeys(batch, took_s)
            played.results |= dict(zip(batch, results, strict=True))

    done = threading.Event()
    pulse = threading.Thread(target=_pulse, args=(done, played.late_s))
    workers = [threading.Thread(target=work, args=(at,)) for at in range(setup.workers)]
    pulse.start()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    played.wall_s = time.perf_counter() - began_s
    played.cpu_s = time.process_time() - began_cpu_s
    done.set()
    pulse.join()
    assert len(played.results) == len(steps), f"{setup.name} lost steps"
    return played


def _pulse(done: threading.Event, late_s: list[float]) -> None:
    """Wake up every ``PULSE_S``, as an event loop with packets from clients would."""
    due_s = time.perf_counter() + PULSE_S
    while not done.wait(max(0.0, due_s - time.perf_counter())):
        now_s = time.perf_counter()
        late_s.append(now_s - due_s)
        due_s = max(due_s, now_s) + PULSE_S


def _be_nice(nice: int) -> None:
    """Of this thread alone, as Linux counts it."""
    if nice:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
