"""What a server process counts and measures, told to it by what happened.

Callers know nothing of Prometheus; ``exposition`` writes the text that it reads. Every method is
safe on any thread and takes about a microsecond. Each ``Metrics`` has its own registry.

Labels are bounded: of a label whose values come from elsewhere (codes, reasons) the first
``MAX_VALUES`` are kept apart, and any further one counts as ``other``.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Stage = Literal["ingest", "vad", "features", "queue", "encode", "decode", "model", "send"]
StepName = Literal["partial", "final"]

MAX_VALUES = 40
OTHER = "other"

_STAGE_S = (
    *(0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_LAG_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_LOOP_LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_BATCH = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


class Metrics:
    """The counters, gauges and histograms of one application."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = _WithoutCreationTimes(registry)
        ProcessCollector(registry=registry)

        def histogram(name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(
                f"streamscribe_{name}", said, labels, buckets=buckets, registry=registry
            )

        def gauge(name: str, said: str, *labels: str) -> Gauge:
            return Gauge(f"streamscribe_{name}", said, labels, registry=registry)

        def counter(name: str, said: str, *labels: str) -> Counter:
            return Counter(f"streamscribe_{name}", said, labels, registry=registry)

        stages = histogram("stage_seconds", "Time spent in a stage, once.", _STAGE_S, "stage")
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}
        lags = histogram(
            "step_lag_seconds",
            "From when a step was due to when its result was there.",
            _LAG_S,
            "kind",
        )
        self._lags = {kind: lags.labels(kind) for kind in get_args(StepName)}
        steps = counter("steps", "Steps computed.", "kind")
        self._steps = {kind: steps.labels(kind) for kind in get_args(StepName)}
        self._batch = histogram("batch_size", "Steps in one model call.", _BATCH)
        self._loop_lag = histogram(
            "event_loop_lag_seconds", "How late the event loop ran a timer.", _LOOP_LAG_S
        )
        self._busy = gauge("busy_ratio", "Part of the time that the engine thread is busy, 0 to 1.")
        sessions = gauge("sessions", "Sessions held: live ones have a client.", "state")
        self._live, self._parked = sessions.labels("live"), sessions.labels("parked")
        self._models = gauge("model_info", "1 for each model served.", "model")
        self._build = gauge("build_info", "1 for the version that runs.", "version")
        self._opened = counter("sessions_opened", "Sessions begun.")
        self._closed = _Counters(counter("sessions_closed", "Sessions ended.", "reason"))
        self._refused = _Counters(
            counter("sessions_refused", "Connections refused before they were accepted.", "reason")
        )
        self._audio = counter("audio_seconds", "Audio received, in seconds of speech time.")
        self._coalesced = counter("steps_coalesced", "Partials left out to catch up.")
        self._resumes = _Counters(counter("resumes", "Attempts to resume a session.", "outcome"))
        self._errors = _Counters(counter("errors", "Errors told to clients.", "code"))
        self._dropped = counter("messages_dropped", "Partials dropped for clients that lag.")
        self._watchdog = _Counters(counter("watchdog", "Times the watchdog stepped in.", "reason"))

    def stage(self, stage: Stage, seconds: float) -> None:
        """A stage of the work took ``seconds``."""
        self._stages[stage].observe(seconds)

    def batch(self, size: int) -> None:
        """One model call computed ``size`` steps."""
        self._batch.observe(size)

    def step(self, kind: StepName, lag_s: float) -> None:
        """A step's result was there ``lag_s`` after the step was due."""
        self._steps[kind].inc()
        self._lags[kind].observe(max(0.0, lag_s))

    def coalesced(self, steps: int = 1) -> None:
        """So many partial steps were left out, since later ones stand for them."""
        self._coalesced.inc(steps)

    def busy(self, ratio: float) -> None:
        """The engine thread was busy for this part of the time, in [0, 1]."""
        self._busy.set(ratio)

    def loop_lag(self, seconds: float) -> None:
        """The event loop ran a timer so late."""
        self._loop_lag.observe(max(0.0, seconds))

    def sessions(self, *, live: int, parked: int) -> None:
        """So many sessions are held now, with and without a client."""
        self._live.set(live)
        self._parked.set(parked)

    def opened(self) -> None:
        """A session began."""
        self._opened.inc()

    def closed(self, reason: str) -> None:
        """A session ended."""
        self._closed.count(reason)

    def refused(self, reason: str) -> None:
        """A connection was refused before it was accepted."""
        self._refused.count(reason)

    def audio(self, seconds: float) -> None:
        """So much audio came in."""
        self._audio.inc(seconds)

    def resumed(self, outcome: str) -> None:
        """A client tried to resume a session."""
        self._resumes.count(outcome)

    def error(self, code: str) -> None:
        """A client was told of an error."""
        self._errors.count(code)

    def dropped(self, messages: int = 1) -> None:
        """So many partials were dropped since the client did not take them in time."""
        self._dropped.inc(messages)

    def watchdog(self, reason: str) -> None:
        """The watchdog stepped in."""
        self._watchdog.count(reason)

    def serving(self, version: str, models: Iterable[str]) -> None:
        """This version serves these models."""
        self._build.labels(version).set(1)
        for model in models:
            self._models.labels(model).set(1)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Everything as Prometheus text, or OpenMetrics if ``accept`` asks for it.

        Returns the body and its content type.
        """
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type

    def value(self, name: str, **labels: str) -> float | None:
        """The sample ``name`` as exposed now, such as ``streamscribe_errors_total``; or None."""
        samples = (sample for metric in self._registry.collect() for sample in metric.samples)
        found = (s.value for s in samples if s.name == name and s.labels == labels)
        return next(found, None)

    def names(self) -> set[str]:
        """Names of all families of ours, without suffixes such as ``_total`` and ``_bucket``."""
        return {
            metric.name
            for metric in self._registry.collect()
            if metric.name.startswith("streamscribe_")
        }


class _Counters:
    """A counter by one label, of at most ``MAX_VALUES`` values and ``other``."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._known: dict[str, Counter] = {}

    def count(self, value: str) -> None:
        child = self._known.get(value)
        if child is None:
            value = value if len(self._known) < MAX_VALUES else OTHER
            child = self._known.setdefault(value, self._counter.labels(value))
        child.inc()


class _WithoutCreationTimes(Collector):
    """A registry less the time at which each series began: one series in three, used by nobody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
