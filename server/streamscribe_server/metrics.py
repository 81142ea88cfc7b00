"""What a server process counts and measures, told to it by what happened.

Callers know nothing of Prometheus; ``exposition`` writes the text that it reads. Every method is
safe on any thread and takes about a microsecond. Each ``Metrics`` has its own registry.

Labels are bounded (``metric_families.py``).
"""

from collections.abc import Iterable
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from streamscribe_server.metric_families import Families, WithoutCreationTimes

Stage = Literal["ingest", "vad", "features", "queue", "encode", "decode", "model", "send"]
StepName = Literal["partial", "final"]

_STAGE_S = (
    *(0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_LAG_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_LOOP_LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_BATCH = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_REASONS_TO_CLOSE = ("done", "client_left", "client_gone", "expired", "restarting", "internal")
_REASONS_TO_REFUSE = (
    *("unauthorized", "origin_not_allowed", "too_many_opens", "too_many_sessions"),
    *("full", "late", "draining"),
)
_REASONS_TO_STEP_IN = ("model_hung", "model_failed", "session_stuck", "engine_failed")
_OUTCOMES = ("continued", "unknown", "expired", "behind")


class Metrics:
    """The counters, gauges and histograms of one application."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._registry = WithoutCreationTimes(registry)
        self._measure_work(Families(registry))
        self._count_sessions(Families(registry))

    def _measure_work(self, made: Families) -> None:
        stages = made.histogram("stage_seconds", "Time spent in a stage, once.", _STAGE_S, "stage")
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}
        said = "From when a step was due to when its result was there."
        lags = made.histogram("step_lag_seconds", said, _LAG_S, "kind")
        self._lags = {kind: lags.labels(kind) for kind in get_args(StepName)}
        steps = made.counter("steps", "Steps computed.", "kind")
        self._steps = {kind: steps.labels(kind) for kind in get_args(StepName)}
        self._coalesced = made.counter("steps_coalesced", "Partials left out to catch up.")
        self._batch = made.histogram("batch_size", "Steps in one model call.", _BATCH)
        said = "How late the event loop ran a timer."
        self._loop_lag = made.histogram("event_loop_lag_seconds", said, _LOOP_LAG_S)
        said = "Part of the time that the busiest engine's model is at work, 0 to 1."
        self._busy = made.gauge("busy_ratio", said)
        self._busy_engines: dict[object, float] = {}
        said = "Times the watchdog stepped in."
        self._watchdog = made.counters("watchdog", said, "reason", *_REASONS_TO_STEP_IN)
        self._models = made.gauge("model_info", "1 for each model served.", "model")
        self._build = made.gauge("build_info", "1 for the version that runs.", "version")

    def _count_sessions(self, made: Families) -> None:
        sessions = made.gauge("sessions", "Sessions held: live ones have a client.", "state")
        self._live, self._parked = sessions.labels("live"), sessions.labels("parked")
        self._opened = made.counter("sessions_opened", "Sessions begun.")
        said = "Sessions ended."
        self._closed = made.counters("sessions_closed", said, "reason", *_REASONS_TO_CLOSE)
        said = "Connections refused before they were accepted."
        self._refused = made.counters("sessions_refused", said, "reason", *_REASONS_TO_REFUSE)
        said = "Attempts to resume a session."
        self._resumes = made.counters("resumes", said, "outcome", *_OUTCOMES)
        self._errors = made.counters("errors", "Errors told to clients.", "code", "internal")
        self._audio = made.counter("audio_seconds", "Audio received, in seconds of speech time.")
        self._dropped = made.counter("messages_dropped", "Partials dropped for clients that lag.")

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

    def busy(self, ratio: float, engine: object = None) -> None:
        """The model of ``engine`` was at work for this part of the time, in [0, 1]."""
        self._busy_engines[engine] = ratio
        self._busy.set(max(tuple(self._busy_engines.values())))

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
