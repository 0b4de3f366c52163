"""Prometheus metrics of the web process: no file names and no contents. `pipeline.metrics` has those of the worker."""

import itertools
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from model_store.models import Model
from service.gauges import DURATION_BUCKETS, add_budget
from service.supervision import Dispatch, Supervisor
from service.versions import own_version
from service.web.uploads import UploadBudget

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""Label of all paths that do not exist, so that callers cannot create time series."""


class Metrics:
    """Metrics of one application, in a separate registry. Thread-safe."""

    def __init__(self, model: Model, endpoints: Iterable[str], supervisor: Supervisor) -> None:
        self._endpoints = frozenset(endpoints)
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("face_requests", "Answers sent.", ("endpoint", "status"), registry=registry)
        self.request_seconds = Histogram(
            "face_request_seconds",
            "From head to answer.",
            ("endpoint",),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge("face_requests_in_flight", "Requests not answered yet.", registry=registry)
        self.cancelled = Counter(
            "face_cancelled",
            "Callers that hung up, by the state of their photo.",
            ("photo",),
            registry=registry,
        )
        self.wrong_keys = Counter(
            "face_wrong_keys",
            "Requests with a wrong key; those without a key do not count.",
            registry=registry,
        )
        Info("face_model", "FACE_MODEL and version.", registry=registry).info(
            {"number": str(model.number), "description": model.description, "version": own_version()}
        )
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        registry.register(_Workers(supervisor))

    def watch(self, uploads: UploadBudget, dispatch: Dispatch) -> None:
        """Add gauges of the upload budget and of the queue in front of the worker, read at each scrape."""
        Gauge(
            "face_photos_unsent", "Photos that are not sent to the worker yet.", registry=self.registry
        ).set_function(lambda: dispatch.waiting)
        add_budget(self.registry, "uploads", "bytes", uploads)

    def expect(self, endpoints: Iterable[str], statuses: Iterable[int]) -> None:
        """Begin the counters of these answers at 0: Prometheus counts the increase from the first value that it saw."""
        for endpoint, status in itertools.product(endpoints, statuses):
            self.requests.labels(endpoint, str(status))

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request that has ended; `status` is 0 if no answer was sent."""
        endpoint = path if path in self._endpoints else OTHER
        self.requests.labels(endpoint, str(status)).inc()
        self.request_seconds.labels(endpoint).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class _Workers(Collector):
    """Readiness; counters of dead workers and of photos sent again, by cause; the state of device and scan."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, meaning, counts in (
            ("face_worker_restarts", "Workers that died and were replaced.", self._supervisor.restarts),
            ("face_photos_resent", "Photos sent again after a worker's death.", self._supervisor.resent),
        ):
            yield _counter(name, meaning, "cause", counts)
        devices = self._supervisor.devices
        yield _counter("face_device_faults", "Faults of a device.", "provider", devices.faults)
        yield GaugeMetricFamily(
            "face_device_quarantined",
            "1 while the CPU computes since a device has failed twice.",
            value=float(devices.quarantine is not None),
        )
        yield GaugeMetricFamily(
            "face_ready", "1 while a worker is warm.", value=float(self._supervisor.state == "ready")
        )
        yield GaugeMetricFamily(
            "face_scan_stopped",
            "1 once a checked photo differed: the scan is off until the service is restarted.",
            value=float(self._supervisor.scan_stopped is not None),
        )


def _counter(name: str, meaning: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    """A counter with one label."""
    family = CounterMetricFamily(name, meaning, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family
