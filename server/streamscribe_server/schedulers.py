"""One scheduler for each model on each device, and which stream is with which."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from streamscribe_server.catalogue import DEFAULT_MODEL, Catalogue, ServedModel
from streamscribe_server.engine import Deliver
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Audio, Close, Finish, Flush, Hotwords, Open
from streamscribe_server.metrics import Metrics
from streamscribe_server.scheduler import Scheduler
from streamscribe_server.scheduling import Scheduling, default_scheduling

if TYPE_CHECKING:
    from streamscribe_server.tracing import Traces

T = TypeVar("T")


class Schedulers:
    """Places each new stream where its model has the fewest. For the event loop alone."""

    def __init__(
        self,
        catalogue: Catalogue,
        limits: Limits,
        metrics: Metrics,
        scheduling: Scheduling | None = None,
        traces: "Traces | None" = None,
    ) -> None:
        self._catalogue = catalogue
        self._traces = traces
        chosen = scheduling or default_scheduling()

        def of(model: ServedModel) -> list[Scheduler]:
            return [Scheduler(one, chosen, limits, metrics) for one in model.replicas()]

        self._by_model = {model.name: of(model) for model in catalogue.models}
        self._by_stream: dict[str, Scheduler] = {}

    @property
    def alive(self) -> bool:
        """Every scheduler takes commands."""
        return all(self._each(lambda scheduler: scheduler.alive))

    @property
    def lag_s(self) -> float:
        """How late the most belated step of all was when last looked at, in seconds."""
        return max(self._each(lambda scheduler: scheduler.lag_s))

    def refusal(self, model: str = DEFAULT_MODEL) -> str | None:
        """Why one more stream of ``model`` would not be served as it should; None: it would."""
        reasons = [one.refusal() for one in self._by_model[self._catalogue.find(model).name]]
        return None if None in reasons else reasons[0]

    def start(self) -> None:
        """Warm up every model, then serve. Blocks meanwhile; raises what a model raises."""
        self._each(lambda scheduler: scheduler.start())

    def stop(self, timeout_s: float) -> bool:
        """End after the model calls in progress; True if each was within ``timeout_s``."""
        return all(self._each(lambda scheduler: scheduler.stop(timeout_s)))

    def open(self, stream_id: str, command: Open, deliver: Deliver) -> None:
        """Begin a stream; its updates go to ``deliver``, on the thread of its engine."""
        candidates = self._by_model[self._catalogue.find(command.model).name]
        usable = [one for one in candidates if one.refusal() is None] or candidates
        placed = list(self._by_stream.values())
        scheduler = min(usable, key=placed.count)
        self._by_stream[stream_id] = scheduler
        if self._traces is not None:
            deliver = self._traces.begin(stream_id, command, deliver)
        scheduler.open(stream_id, command, deliver)

    def post(self, stream_id: str, command: Audio | Flush | Hotwords | Finish | Close) -> None:
        """Send a command to a stream. After its end, or its ``Close``, commands are ignored."""
        scheduler = self._by_stream.get(stream_id)
        if scheduler is None:
            return
        if isinstance(command, Close):
            del self._by_stream[stream_id]
            if self._traces is not None:
                self._traces.end(stream_id, command.reason)
        scheduler.post(stream_id, command)

    def _each(self, call: Callable[[Scheduler], T]) -> list[T]:
        return [call(one) for several in self._by_model.values() for one in several]
