"""Streams that want a step computed, and which come next.

Order of steps, most urgent first:

1. A step whose time has come goes before one that is early. Steps are early when a stream sends
   faster than real time, and get only what others leave over.
2. Finals go before partials: a partial may be late, a final is what the user keeps.
3. Earliest deadline first, then the stream that was served longest ago.

A batch takes the most urgent step and others of its class, as many as each free worker's share.
So nothing waits while a worker is idle, and batches grow with what waits; but not beyond what is
computed in a stated time, because nothing can overtake a batch.
"""

import math
from collections.abc import Callable
from typing import Final

from streamscribe.model import StepKind
from streamscribe_server.engine_stream import EngineStream
from streamscribe_server.waiting import Waiting

Refresh = Callable[[str, EngineStream], None]
"""Brings a stream's step up to date; it may want none after that."""


_NEWEST: Final = 0.1
"""Weight of the newest batch in what a step takes."""

_SHORTEST_STEP_S: Final = 1e-6


class WaitingLine:
    """Streams by id, each with a step that waits."""

    def __init__(self, max_batch: int, longest_batch_s: float) -> None:
        self._max_batch = max_batch
        self._longest_batch_s = longest_batch_s
        self._step_s = 0.0  # what one step of a batch has taken lately
        self._streams: dict[str, EngineStream] = {}

    def note(self, stream_id: str, stream: EngineStream, *, waits: bool) -> None:
        """The stream waits, or does not."""
        if waits:
            self._streams[stream_id] = stream
        else:
            self._streams.pop(stream_id, None)

    def computed(self, steps: int, compute_s: float) -> None:
        """A batch of so many steps took so long."""
        self._step_s += _NEWEST * (compute_s / steps - self._step_s)

    def lag_s(self, now_s: float) -> float:
        """How far the most belated step is past its time; below 0 when all are early."""
        return max((now_s - wanted(one).due_s for one in self._streams.values()), default=0.0)

    def each(self, refresh: Refresh) -> None:
        """Refresh every stream: behind a partial that is too late anyway, a final may wait."""
        for stream_id, stream in list(self._streams.items()):
            refresh(stream_id, stream)

    def choose(self, free_workers: int, now_s: float) -> list[tuple[str, EngineStream]]:
        """The streams whose steps go into the next batch, each with a step that waits."""
        ranked = sorted(self._streams.items(), key=lambda item: _urgency(item[1], now_s))
        if not ranked:
            return []
        first = _class_of(ranked[0][1], now_s)
        alike = [item for item in ranked if _class_of(item[1], now_s) == first]
        return alike[: self._share(len(alike), free_workers)]

    def _share(self, alike: int, free_workers: int) -> int:
        in_time = self._longest_batch_s / max(self._step_s, _SHORTEST_STEP_S)
        return max(1, min(self._max_batch, math.ceil(alike / free_workers), int(in_time)))


def wanted(stream: EngineStream) -> Waiting:
    """The stream's step, which waits."""
    assert stream.waiting is not None, "the stream has no step to compute"
    return stream.waiting


def _class_of(stream: EngineStream, now_s: float) -> tuple[bool, bool]:
    """Steps of the lower class go first: (early, may wait)."""
    step = wanted(stream)
    return step.due_s > now_s, step.step.kind is not StepKind.FINAL


def _urgency(stream: EngineStream, now_s: float) -> tuple[bool, bool, float, int]:
    return *_class_of(stream, now_s), wanted(stream).deadline_s, stream.last_turn
