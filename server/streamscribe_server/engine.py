"""All streams of one model on one device, and what their steps are for.

Single-threaded and without a clock of its own: ``scheduler.py`` gives it a thread and commands,
and hands its batches to the workers.

``waiting_line.py`` has the order of steps. A partial that is late by a hop gives way to what
follows it in its stream, whenever a worker is free.
"""

import logging
from collections.abc import Callable
from functools import partial

from streamscribe.errors import StreamscribeError
from streamscribe.model import FramesStep, StepKind, StepResult
from streamscribe.stages import Stage
from streamscribe_server.batch import Batch, Outcome, Part
from streamscribe_server.catalogue import ServedModel
from streamscribe_server.engine_stream import EngineStream
from streamscribe_server.limits import Limits
from streamscribe_server.load import Load
from streamscribe_server.logs import stream_line
from streamscribe_server.mailbox import (
    Audio,
    Close,
    Command,
    Failed,
    Finish,
    Flush,
    Hotwords,
    Open,
    Update,
)
from streamscribe_server.metrics import Metrics
from streamscribe_server.scheduling import Scheduling
from streamscribe_server.stopwatch import Stopwatch
from streamscribe_server.waiting_line import WaitingLine, wanted

logger = logging.getLogger(__name__)

INTERNAL_MESSAGE = "the server failed on this stream; its log has the details"
"""All that a client learns of a bug."""

ADVANCE_S = 0.02
"""Time given to streams' own work (voice activity, features) before workers are looked after."""

Deliver = Callable[[Update], None]
"""Takes an update on the engine thread; never blocks and never raises."""


class Engine:
    """Streams by id. ``advance``, ``next_batch`` until None, ``complete`` as results come."""

    def __init__(
        self,
        model: ServedModel,
        scheduling: Scheduling,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float],
        stream_demand: float = 0.0,
    ) -> None:
        """stream_demand: part of all workers' time that one stream of speech is thought to take."""
        self._model = model
        self._scheduling = scheduling
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._streams: dict[str, EngineStream] = {}
        self._working: dict[str, EngineStream] = {}  # have audio to take
        self._waiting = WaitingLine(scheduling.max_batch, limits.longest_batch_s)
        self._alone: list[Part] = []  # steps of a batch that failed
        self._batches = 0
        self._stopwatch = Stopwatch(metrics)
        self.load = Load(scheduling.workers, clock(), stream_demand)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def open(self, stream_id: str, command: Open, deliver: Deliver) -> None:
        """Begin a stream; answers ``Opened`` or ``Failed``."""
        try:
            self._streams[stream_id] = EngineStream(self._model, command, deliver, self._stopwatch)
        except StreamscribeError as error:
            deliver(Failed(error.code, str(error)))
        except Exception:
            logger.exception("stream %s: can't be opened", stream_id)
            deliver(Failed("internal", INTERNAL_MESSAGE))
        else:
            self.load.open(self._clock(), len(self._streams))
            audio = command.format
            self._metrics.opened()
            stream_line(
                logger, stream_id, "opened", key=command.key, model=self._model.name,
                encoding=str(audio.encoding), rate_hz=audio.rate_hz, channels=audio.channels,
            )  # fmt: skip

    def apply(self, stream_id: str, command: Command, posted_s: float) -> None:
        """Take a command that was posted at ``posted_s``; one for a stream not open is ignored."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        match command:
            case Close(reason):
                del self._streams[stream_id]
                self.load.open(self._clock(), len(self._streams))
                self._sort(stream_id, stream)
                self._metrics.closed(reason)
                _log_closed(stream_id, stream, self._model.name, reason)
            case Audio() | Flush() | Hotwords() | Finish():
                stream.post(command, posted_s)
                if isinstance(command, Audio):
                    self._metrics.audio(len(command.data) / stream.bytes_per_s)
                self._sort(stream_id, stream)
            case Open():
                raise AssertionError("open is a call of its own")

    def told(self, stage: Stage, seconds: float) -> None:
        """A stage of the model's took so long: the detector on this thread, others on workers."""
        if stage == "vad":
            self._stopwatch.told(stage, seconds)
        else:
            self._metrics.stage(stage, seconds)

    def advance(self) -> bool:
        """Give streams a slice of their audio each, for ``ADVANCE_S`` at most; True: some is left.

        The stream that had its slice goes to the end of the queue.
        """
        until_s = self._clock() + ADVANCE_S
        for stream_id, stream in list(self._working.items()):
            del self._working[stream_id]
            self._guard(stream_id, stream, stream.advance)
            if self._clock() >= until_s:
                break
        return bool(self._working)

    def next_batch(self, free_workers: int) -> Batch | None:
        """What a worker should compute now; None: nothing waits."""
        if self._alone:
            part = self._alone.pop()
            return Batch((part,), part.step.kind, due=True)
        now_s = self._clock()
        if self._scheduling.coalesce:
            self._waiting.each(self._catch_up)
        chosen = self._waiting.choose(free_workers, now_s)
        if not chosen:
            return None
        self._batches += 1
        due = all(wanted(stream).due_s <= now_s for _, stream in chosen)
        parts = tuple(self._hand_out(stream_id, stream, now_s) for stream_id, stream in chosen)
        self._metrics.batch(len(parts))
        return Batch(parts, parts[0].step.kind, due)

    def complete(self, outcome: Outcome) -> None:
        """A worker has answered. When a batch fails, its steps are tried alone."""
        now_s = self._clock()
        batch = outcome.batch
        if batch.due:
            self.load.computed(now_s, outcome.compute_s)
        self._metrics.stage("model", outcome.compute_s)
        self._waiting.computed(len(batch.parts), outcome.compute_s)
        if isinstance(outcome.results, Exception):
            self._blame(batch, outcome.results)
            return
        share_s = outcome.compute_s / len(batch.parts)
        for part, result in zip(batch.parts, outcome.results, strict=True):
            if self._is_open(part):
                finish = partial(self._finish, part, result, share_s, now_s)
                self._guard(part.stream_id, part.stream, finish)

    def give_up(self, batch: Batch, reason: str) -> None:
        """No answer will come for ``batch``; its streams fail."""
        self._metrics.watchdog(reason)
        for part in batch.parts:
            if self._is_open(part):
                part.stream.fail("internal", INTERNAL_MESSAGE)

    def fail_stuck(self) -> None:
        """End the streams that take audio and give nothing."""
        for stream_id, stream in self._streams.items():
            if stream.stuck:
                logger.error("stream %s is stuck: its session decides nothing", stream_id)
                self._metrics.watchdog("session_stuck")
                stream.fail("internal", INTERNAL_MESSAGE)

    def lag_s(self) -> float:
        """How far the most belated step is past its time; below 0 when all are early."""
        return self._waiting.lag_s(self._clock())

    def abandon(self) -> None:
        """Tell every stream that the engine has stopped."""
        for stream in self._streams.values():
            stream.fail("internal", "the server's engine has stopped")

    def _catch_up(self, stream_id: str, stream: EngineStream) -> None:
        """Bring the stream's step up to date; it may want none after that."""
        now_s = self._clock()

        def catch_up() -> None:
            skipped = stream.catch_up(now_s, self._limits.longest_hop_s)
            if skipped:
                self._metrics.coalesced(skipped)
                self.load.skipped(now_s, skipped)

        self._guard(stream_id, stream, catch_up)

    def _hand_out(self, stream_id: str, stream: EngineStream, now_s: float) -> Part:
        due_s, step = wanted(stream).due_s, wanted(stream).step
        if step.kind is StepKind.PARTIAL:
            rigid = isinstance(step, FramesStep)  # every one commits something
            self.load.partial(now_s, rigid=rigid)
        self._metrics.stage("queue", max(0.0, now_s - due_s))
        stream.last_turn = self._batches
        part = Part(stream_id, stream, stream.hand_out())
        self._sort(stream_id, stream)
        return part

    def _finish(self, part: Part, result: StepResult, share_s: float, now_s: float) -> None:
        lag_s = part.stream.complete(result, share_s, now_s)
        self._metrics.step(part.step.kind.value, lag_s)

    def _blame(self, batch: Batch, error: Exception) -> None:
        """Find the guilty of a batch that failed."""
        logger.error("model %s failed on streams %s", self._model.name, batch.names, exc_info=error)
        if len(batch.parts) > 1:
            self._alone += [part for part in batch.parts if self._is_open(part)]
            return
        self.give_up(batch, "model_failed")

    def _guard(self, stream_id: str, stream: EngineStream, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("stream %s failed", stream_id)
            stream.fail("internal", INTERNAL_MESSAGE)
        self._sort(stream_id, stream)

    def _sort(self, stream_id: str, stream: EngineStream) -> None:
        """Note what the stream needs next; where it waits already, it keeps its place."""
        is_open = self._streams.get(stream_id) is stream
        self._waiting.note(stream_id, stream, waits=is_open and stream.waiting is not None)
        if is_open and stream.has_work:
            self._working[stream_id] = stream
        else:
            self._working.pop(stream_id, None)

    def _is_open(self, part: Part) -> bool:
        return self._streams.get(part.stream_id) is part.stream and not part.stream.over


def _log_closed(stream_id: str, stream: EngineStream, model: str, reason: str) -> None:
    counters, audio_s = stream.counters, stream.audio_s
    stream_line(
        logger,
        stream_id,
        "closed",
        key=stream.key,
        model=model,
        audio_s=round(audio_s, 1),
        rtf=round(counters.compute_s / audio_s if audio_s else 0.0, 3),
        lag_max_ms=round(counters.lag_max_s * 1_000),
        steps=counters.steps,
        skipped=counters.skipped,
        reason=reason,
    )
