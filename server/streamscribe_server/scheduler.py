"""The engine thread: owns every session and every model call.

Connections post commands to an inbox and never wait; updates go back through the ``deliver`` of
each stream. The inbox is looked at between any two model calls. It needs no bound of its own:
each connection stops reading from its socket while its stream is behind.

States of the thread: not started -> warming up -> alive -> stopped. A failure of the engine's
own code, as opposed to one stream's, ends in ``stopped`` with every stream told.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamscribe_server.catalogue import Catalogue
from streamscribe_server.engine import Deliver, Engine
from streamscribe_server.mailbox import Audio, Close, Finish, Flush, Hotwords, Open
from streamscribe_server.metrics import Metrics

if TYPE_CHECKING:
    from streamscribe_server.tracing import Traces


@dataclass(frozen=True, slots=True)
class _Opening:
    command: Open
    deliver: Deliver


@dataclass(frozen=True, slots=True)
class _Post:
    stream_id: str
    command: _Opening | Audio | Flush | Hotwords | Finish | Close
    posted_s: float


class Scheduler:
    """Computes the steps of many streams on one thread. Every method is safe on any thread."""

    def __init__(
        self,
        catalogue: Catalogue,
        max_batch: int = 1,
        clock: Callable[[], float] = time.monotonic,
        metrics: Metrics | None = None,
        traces: "Traces | None" = None,
    ) -> None:
        """``max_batch``: most steps in one model call; 1 suits a model that gains nothing."""
        self._catalogue = catalogue
        self._clock = clock
        self._engine = Engine(catalogue, max_batch, clock, metrics, traces)
        self._inbox: queue.SimpleQueue[_Post | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._stopping = False
        self._lag_s = 0.0

    @property
    def alive(self) -> bool:
        """The thread is running and takes commands."""
        return self._thread.is_alive()

    @property
    def lag_s(self) -> float:
        """How late the most belated step was when last looked at, in seconds."""
        return self._lag_s

    def start(self) -> None:
        """Warm up every model, then serve. Blocks meanwhile; raises what a model raises."""
        for model in self._catalogue.models:
            model.recognizer.warm_up()
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End after the model call in progress; True if that was within ``timeout_s``."""
        self._stopping = True
        self._inbox.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def open(self, stream_id: str, command: Open, deliver: Deliver) -> None:
        """Begin a stream; its updates go to ``deliver``, which runs on the engine thread."""
        self._inbox.put(_Post(stream_id, _Opening(command, deliver), self._clock()))

    def post(self, stream_id: str, command: Audio | Flush | Hotwords | Finish | Close) -> None:
        """Send a command to a stream. After its end, or its ``Close``, commands are ignored."""
        self._inbox.put(_Post(stream_id, command, self._clock()))

    def _serve(self) -> None:
        busy = False
        try:
            while not self._stopping:
                self._take_posts(wait=not busy)
                self._lag_s = self._engine.lag_s()
                busy = self._engine.turn()
        finally:
            self._engine.abandon()

    def _take_posts(self, *, wait: bool) -> None:
        try:
            post = self._inbox.get(block=wait)
            while post is not None:
                self._apply(post)
                post = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _apply(self, post: _Post) -> None:
        match post.command:
            case _Opening(command, deliver):
                self._engine.open(post.stream_id, command, deliver)
            case command:
                self._engine.apply(post.stream_id, command, post.posted_s)
