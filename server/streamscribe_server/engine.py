"""All streams of the process and the order in which their steps are computed.

Single-threaded and without a clock of its own: ``scheduler.py`` gives it a thread and commands.

Order of steps, most urgent first:

1. A step whose time has come goes before one that is early. Steps are early when a stream sends
   faster than real time, and get only what others leave over.
2. Finals go before partials: a partial may be late, a final is what the user keeps.
3. Earliest due time first, then the stream that was served longest ago.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from streamscribe.errors import StreamscribeError
from streamscribe.model import StepKind, StepResult
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.engine_stream import EngineStream, Waiting
from streamscribe_server.logs import Field, stream_line
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

if TYPE_CHECKING:
    from streamscribe_server.tracing import Traces

logger = logging.getLogger(__name__)

INTERNAL_MESSAGE = "the server failed on this stream; its log has the details"
"""All that a client learns of a bug."""

Deliver = Callable[[Update], None]
"""Takes an update on the engine thread; never blocks and never raises."""


class Engine:
    """Streams by id. ``turn`` until it returns False, then wait for the next command."""

    def __init__(
        self,
        catalogue: Catalogue,
        max_batch: int,
        clock: Callable[[], float],
        metrics: Metrics | None = None,
        traces: "Traces | None" = None,
    ) -> None:
        assert max_batch >= 1, f"a batch of {max_batch} steps computes nothing"
        self._catalogue = catalogue
        self._max_batch = max_batch
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._traces = traces
        self._streams: dict[str, EngineStream] = {}
        self._turn = 0

    def open(self, stream_id: str, command: Open, deliver: Deliver) -> None:
        """Begin a stream; answers ``Opened`` or ``Failed``."""
        if self._traces is not None:
            deliver = self._traces.begin(stream_id, command, deliver)
        try:
            model = self._catalogue.find(command.model)
            self._streams[stream_id] = EngineStream(model, command, deliver)
        except StreamscribeError as error:
            deliver(Failed(error.code, str(error)))
            self._end_trace(stream_id, reason=error.code)
        except Exception:
            logger.exception("stream %s: can't be opened", stream_id)
            deliver(Failed("internal", INTERNAL_MESSAGE))
            self._end_trace(stream_id, reason="internal")
        else:
            audio = command.format
            self._metrics.opened()
            stream_line(
                logger, stream_id, "opened", key=command.key, model=model.name,
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
                self._metrics.closed(reason)
                cost = _cost(stream)
                self._end_trace(stream_id, **cost, reason=reason)
                stream_line(
                    logger, stream_id, "closed",
                    key=stream.key, model=stream.model.name, **cost, reason=reason,
                )  # fmt: skip
            case Audio() | Flush() | Hotwords() | Finish():
                stream.post(command, posted_s)
            case Open():
                raise AssertionError("open is a call of its own")

    def turn(self) -> bool:
        """Advance every stream by one slice and compute one batch; False: nothing was left."""
        self._turn += 1
        for stream_id, stream in self._streams.items():
            if stream.has_work:
                self._guard(stream_id, stream, stream.advance)
        batch = self._next_batch()
        if batch:
            self._compute(batch)
        return bool(batch) or any(stream.has_work for stream in self._streams.values())

    def lag_s(self) -> float:
        """How far the most belated step is past its time; below 0 when all are early."""
        now_s = self._clock()
        steps = (stream.waiting for stream in self._streams.values() if stream.waiting)
        return max((now_s - waiting.due_s for waiting in steps), default=0.0)

    def abandon(self) -> None:
        """Tell every stream that the engine has stopped."""
        for stream in self._streams.values():
            stream.fail("internal", "the server's engine has stopped")

    def _next_batch(self) -> dict[str, EngineStream]:
        now_s = self._clock()

        def urgency(item: tuple[str, EngineStream]) -> tuple[bool, bool, float, int]:
            waiting = item[1].waiting
            assert waiting is not None, "only streams with a step are compared"
            may_wait = waiting.step.kind is not StepKind.FINAL
            return waiting.due_s > now_s, may_wait, waiting.due_s, item[1].last_turn

        ready = sorted(
            (item for item in self._streams.items() if item[1].waiting is not None), key=urgency
        )
        if not ready:
            return {}
        model = ready[0][1].model
        return dict([item for item in ready if item[1].model is model][: self._max_batch])

    def _compute(self, batch: dict[str, EngineStream]) -> None:
        started_s = self._clock()
        results = self._run(batch)
        now_s = self._clock()
        share_s = (now_s - started_s) / len(batch)
        for stream_id, result in results.items():
            stream = batch[stream_id]
            stream.last_turn = self._turn
            self._guard(stream_id, stream, partial(stream.complete, result, share_s, now_s))

    def _run(self, batch: dict[str, EngineStream]) -> dict[str, StepResult]:
        """Results by stream. When a batch fails, its steps are tried alone to find the guilty."""
        steps = [_waiting(stream).step for stream in batch.values()]
        model = next(iter(batch.values())).model
        try:
            results = model.recognizer.run(steps)
            return dict(zip(batch, results, strict=True))
        except Exception:
            logger.exception("model %s failed on streams %s", model.name, ", ".join(batch))
        if len(batch) == 1:
            for stream in batch.values():
                stream.fail("internal", INTERNAL_MESSAGE)
            return {}
        alone = [self._run({stream_id: stream}) for stream_id, stream in batch.items()]
        return {stream_id: result for results in alone for stream_id, result in results.items()}

    def _end_trace(self, stream_id: str, **fields: Field) -> None:
        if self._traces is not None:
            self._traces.end(stream_id, **fields)

    def _guard(self, stream_id: str, stream: EngineStream, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("stream %s failed", stream_id)
            stream.fail("internal", INTERNAL_MESSAGE)


def _waiting(stream: EngineStream) -> Waiting:
    assert stream.waiting is not None, "the stream has no step to compute"
    return stream.waiting


def _cost(stream: EngineStream) -> dict[str, Field]:
    counters, audio_s = stream.counters, stream.audio_s
    return {
        "audio_s": round(audio_s, 1),
        "rtf": round(counters.compute_s / audio_s if audio_s else 0.0, 3),
        "lag_max_ms": round(counters.lag_max_s * 1_000),
        "steps": counters.steps,
    }
