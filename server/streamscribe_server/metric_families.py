"""Families of metrics as this server makes them: bounded labels, and no times of creation."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

MAX_VALUES = 40
"""Of a label whose values come from elsewhere (codes, reasons) so many are kept apart."""
OTHER = "other"
"""Any further one."""


class Families:
    """Makes families in a registry; their names begin with ``streamscribe_``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def histogram(self, name: str, said: str, buckets: Sequence[float], *labels: str) -> Histogram:
        """A histogram with these upper bounds."""
        full = f"streamscribe_{name}"
        return Histogram(full, said, labels, buckets=buckets, registry=self._registry)

    def gauge(self, name: str, said: str, *labels: str) -> Gauge:
        """A gauge."""
        return Gauge(f"streamscribe_{name}", said, labels, registry=self._registry)

    def counter(self, name: str, said: str, *labels: str) -> Counter:
        """A counter; its sample ends in ``_total``."""
        return Counter(f"streamscribe_{name}", said, labels, registry=self._registry)

    def counters(self, name: str, said: str, label: str, *expected: str) -> "Counters":
        """A counter by one label."""
        return Counters(self.counter(name, said, label), *expected)


class Counters:
    """A counter by one label, of at most ``MAX_VALUES`` values and ``other``.

    Values that are ``expected`` are told as 0 from the start: Prometheus sees no increase in a
    series that begins with 1, and an alert would miss the first time.
    """

    def __init__(self, counter: Counter, *expected: str) -> None:
        self._counter = counter
        self._known = {value: counter.labels(value) for value in expected}

    def count(self, value: str) -> None:
        """It happened once more, with this value of the label."""
        child = self._known.get(value)
        if child is None:
            value = value if len(self._known) < MAX_VALUES else OTHER
            child = self._known.setdefault(value, self._counter.labels(value))
        child.inc()


class WithoutCreationTimes(Collector):
    """A registry less the time at which each series began: one series in three, used by nobody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Every family."""
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
