"""Threads that call the model. Each takes one batch at a time and posts its outcome.

A worker whose call hangs can't be stopped; it is forgotten, and another takes its place. What it
may still answer is ignored.
"""

import queue
import threading
from collections.abc import Callable

from streamscribe.model import StepResult
from streamscribe_server.batch import Batch, Outcome
from streamscribe_server.catalogue import SpeechRecognizer


class Worker:
    """One thread. Made by ``Workers``."""

    def __init__(
        self,
        recognizer: SpeechRecognizer,
        answer: Callable[["Worker", Outcome], None],
        clock: Callable[[], float],
        name: str,
    ) -> None:
        self._recognizer = recognizer
        self._answer = answer
        self._clock = clock
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def take(self, batch: Batch | None) -> None:
        """Compute ``batch``; None: end after what was taken before."""
        self._batches.put(batch)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True if it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        while (batch := self._batches.get()) is not None:
            started_s = self._clock()
            results = self._run(batch)
            self._answer(self, Outcome(batch, results, self._clock() - started_s))

    def _run(self, batch: Batch) -> list[StepResult] | Exception:
        try:
            return self._recognizer.run(batch.steps)
        except Exception as error:  # noqa: BLE001 - logged by the engine, which finds the guilty stream
            return error


class Workers:
    """A fixed number of workers, and what each is doing. For the engine thread alone."""

    def __init__(
        self,
        recognizer: SpeechRecognizer,
        count: int,
        answer: Callable[[Worker, Outcome], None],
        clock: Callable[[], float],
    ) -> None:
        """answer: called on a worker's thread."""
        self._recognizer = recognizer
        self._count = count
        self._answer = answer
        self._clock = clock
        self._started = 0
        self._idle: list[Worker] = []
        self._doing: dict[Worker, tuple[Batch, float]] = {}

    @property
    def idle(self) -> int:
        """How many could take a batch now."""
        return self._count - len(self._doing)

    def take(self, batch: Batch) -> None:
        """Have a worker compute ``batch``."""
        worker = self._idle.pop() if self._idle else self._new()
        self._doing[worker] = (batch, self._clock())
        worker.take(batch)

    def done(self, worker: Worker) -> bool:
        """``worker`` has answered; False: it had been given up."""
        if self._doing.pop(worker, None) is None:
            return False
        self._idle.append(worker)
        return True

    def give_up_hung(self, longest_s: float) -> list[Batch]:
        """Forget the workers whose call takes longer; gives what they were doing."""
        now_s = self._clock()
        hung = [w for w, (_, since_s) in self._doing.items() if now_s - since_s > longest_s]
        for worker in hung:
            worker.take(None)
        return [self._doing.pop(worker)[0] for worker in hung]

    def stop(self, timeout_s: float) -> bool:
        """End all; True if every call in progress ended within ``timeout_s``."""
        workers = [*self._idle, *self._doing]
        for worker in workers:
            worker.take(None)
        until_s = self._clock() + timeout_s
        return all([worker.join(max(0.0, until_s - self._clock())) for worker in workers])

    def _new(self) -> Worker:
        self._started += 1
        name = f"worker {self._started}"
        return Worker(self._recognizer, self._answer, self._clock, name)
