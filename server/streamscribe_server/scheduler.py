"""The engine thread of one model on one device: owns its streams, and gives work to workers.

::

    connections --commands--> [ inbox ] --> engine thread --batches--> worker threads
                                  ^             |                           |
                                  +-------------|------- outcomes ----------+
    connections <------- updates (``deliver``) -+

Connections post commands to an inbox and never wait. The engine thread decodes audio, runs voice
activity detection and the sessions; workers call the model. The inbox needs no bound of its own:
each connection stops reading from its socket while its stream is behind.

States of the thread: not started -> warming up -> alive -> stopped. A failure of the engine's own
code, as opposed to one stream's, fails every stream, and the engine begins anew.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from streamscribe_server.batch import Outcome
from streamscribe_server.catalogue import ServedModel
from streamscribe_server.engine import Deliver, Engine
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Audio, Close, Failed, Finish, Flush, Hotwords, Open
from streamscribe_server.metrics import Metrics
from streamscribe_server.scheduling import Scheduling
from streamscribe_server.workers import Worker, Workers

logger = logging.getLogger(__name__)

SPEECH_OVER_NOISE: Final = 2.0
"""Noise says little: real speech takes the default model 0.12 s of workers' time for each second
where 16 streams are served, and the trial says 0.06."""
_LOOK_S: Final = 1.0
"""How often the watchdog looks, when nothing else happens too."""


@dataclass(frozen=True, slots=True)
class _Opening:
    command: Open
    deliver: Deliver


@dataclass(frozen=True, slots=True)
class _Post:
    stream_id: str
    command: _Opening | Audio | Flush | Hotwords | Finish | Close
    posted_s: float


@dataclass(frozen=True, slots=True)
class _Answer:
    worker: Worker
    outcome: Outcome


class Scheduler:
    """Computes the steps of many streams of one model. Every method is safe on any thread."""

    def __init__(
        self,
        model: ServedModel,
        scheduling: Scheduling | None = None,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._scheduling = scheduling or Scheduling()
        self._limits = limits or Limits()
        self._metrics = metrics or Metrics()
        self._clock = clock
        self._inbox: queue.SimpleQueue[_Post | _Answer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._stopping = False
        self._stream_demand = 0.0
        self._engine = self._new_engine()
        self._workers = Workers(model.recognizer, self._scheduling.workers, self._answered, clock)
        self._alive_s = clock()
        self._lag_s = 0.0
        self._has_room = True

    @property
    def alive(self) -> bool:
        """The thread is running and takes commands."""
        return self._thread.is_alive()

    @property
    def lag_s(self) -> float:
        """How late the most belated step was when last looked at, in seconds."""
        return self._lag_s

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._engine.streams

    def refusal(self) -> str | None:
        """Why one more stream would not be served as it should, in words; None: it would."""
        if not self.alive:
            return "the engine is not running"
        silent_s = self._clock() - self._alive_s
        if silent_s > self._limits.model_call_s:
            return f"the engine has not answered for {silent_s:.0f} s"
        if self._lag_s > self._limits.overload_lag_s:
            allowed_s = self._limits.overload_lag_s
            return f"transcription is {self._lag_s:.1f} s late; allowed: {allowed_s:g} s"
        if not self._has_room:
            return f"{self.streams} streams take all that this machine can compute"
        return None

    def start(self) -> None:
        """Warm up the model, then serve. Blocks meanwhile; raises what the model raises."""
        recognizer = self._model.recognizer
        recognizer.warm_up()
        with ThreadPoolExecutor(self._scheduling.workers) as pool:  # busy cores slow each other
            trials = [
                pool.submit(recognizer.cost_of_speech) for _ in range(self._scheduling.workers)
            ]
            cost = SPEECH_OVER_NOISE * max(trial.result() for trial in trials)
        logger.info("model %s computes %.3f s for a second of speech", self._model.name, cost)
        self._stream_demand = cost / self._scheduling.workers
        recognizer.watch(lambda stage, seconds: self._engine.told(stage, seconds))
        self._engine = self._new_engine()
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End after the model calls in progress; True if that was within ``timeout_s``."""
        self._stopping = True
        self._inbox.put(None)
        until_s = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        ended = self._workers.stop(max(0.0, until_s - time.monotonic()))
        return ended and not self._thread.is_alive()

    def open(self, stream_id: str, command: Open, deliver: Deliver) -> None:
        """Begin a stream; its updates go to ``deliver``, which runs on the engine thread."""
        self._inbox.put(_Post(stream_id, _Opening(command, deliver), self._clock()))

    def post(self, stream_id: str, command: Audio | Flush | Hotwords | Finish | Close) -> None:
        """Send a command to a stream. After its end, or its ``Close``, commands are ignored."""
        self._inbox.put(_Post(stream_id, command, self._clock()))

    def _answered(self, worker: Worker, outcome: Outcome) -> None:
        """Called on a worker's thread."""
        self._inbox.put(_Answer(worker, outcome))

    def _new_engine(self) -> Engine:
        return Engine(
            self._model,
            self._scheduling,
            self._limits,
            self._metrics,
            self._clock,
            self._stream_demand,
        )

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._run_engine()
            except Exception:
                logger.exception("the engine failed; every stream of %s fails", self._model.name)
                self._metrics.watchdog("engine_failed")
                self._engine.abandon()
                self._engine = self._new_engine()
        self._engine.abandon()

    def _run_engine(self) -> None:
        left = False
        looked_s = self._clock()
        while not self._stopping:
            self._take_posts(wait=not left)
            left = self._engine.advance()
            self._give_work()
            now_s = self._alive_s = self._clock()
            if now_s - looked_s >= _LOOK_S:
                looked_s = now_s
                self._look_after(now_s)

    def _give_work(self) -> None:
        self._lag_s = self._engine.lag_s()
        while (idle := self._workers.idle) and (batch := self._engine.next_batch(idle)):
            self._workers.take(batch)

    def _look_after(self, now_s: float) -> None:
        """The watchdog's round, and what admission needs to know."""
        for batch in self._workers.give_up_hung(self._limits.model_call_s):
            logger.error("a model call hangs; streams %s fail", batch.names)
            self._engine.give_up(batch, "model_hung")
        self._engine.fail_stuck()
        load = self._engine.load
        self._metrics.busy(min(1.0, load.busy(now_s)), engine=self)
        self._has_room = load.has_room(now_s)

    def _take_posts(self, *, wait: bool) -> None:
        """Those that are here now: more may come as fast as they are taken."""
        try:
            for _ in range(max(1, self._inbox.qsize())):
                post = self._inbox.get(block=wait, timeout=_LOOK_S)
                wait = False
                if post is not None:
                    self._apply(post)
        except queue.Empty:
            return

    def _open(self, stream_id: str, command: Open, deliver: Deliver) -> None:
        """Connections are accepted before the thread has felt those that came just before them."""
        if (reason := self.refusal()) is not None:
            self._metrics.refused("overloaded")
            deliver(Failed("overloaded", reason))
            return
        self._engine.open(stream_id, command, deliver)
        self._has_room = self._engine.load.has_room(self._clock())

    def _apply(self, post: _Post | _Answer) -> None:
        match post:
            case _Answer(worker, outcome):
                if self._workers.done(worker):
                    self._engine.complete(outcome)
            case _Post(stream_id, _Opening(command, deliver)):
                self._open(stream_id, command, deliver)
            case _Post(stream_id, command, posted_s):
                assert not isinstance(command, _Opening), "the case before takes these"
                self._engine.apply(stream_id, command, posted_s)
