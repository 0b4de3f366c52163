"""Prometheus metrics of the web process: numbers only, no names, no contents."""

from collections.abc import Iterable, Iterator

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
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from model_store.models import Model
from service.gauges import SECONDS, add_budget
from service.supervision import Dispatch, Supervisor
from service.versions import own_version
from service.web.uploads import UploadBudget

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""The endpoint's name for every path that does not exist, so that callers cannot invent time series."""


class Metrics:
    """Counts and times of one application, in a registry of its own. Safe in every thread."""

    def __init__(self, model: Model, endpoints: Iterable[str], supervisor: Supervisor) -> None:
        self._endpoints = frozenset(endpoints)
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("face_requests", "Answers sent.", ("endpoint", "status"), registry=registry)
        self.request_seconds = Histogram(
            "face_request_seconds", "From head to answer.", ("endpoint",), buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge("face_requests_in_flight", "Requests not answered yet.", registry=registry)
        self.cancelled = Counter(
            "face_cancelled",
            "Callers that hung up, by what their photo was doing.",
            ("photo",),
            registry=registry,
        )
        Info("face_model", "FACE_MODEL and version.", registry=registry).info(
            {"number": str(model.number), "description": model.description, "version": own_version()}
        )
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        registry.register(_Workers(supervisor))

    def watch(self, uploads: UploadBudget, dispatch: Dispatch) -> None:
        """Adds gauges of the upload budget and of the queue before the worker. Read at each scrape."""
        Gauge(
            "face_photos_unsent", "Photos that wait until the worker has fewer.", registry=self.registry
        ).set_function(lambda: dispatch.waiting)
        add_budget(self.registry, "uploads", "bytes", uploads)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request is over; `status` is 0 where nothing was sent."""
        endpoint = path if path in self._endpoints else OTHER
        self.requests.labels(endpoint, str(status)).inc()
        self.request_seconds.labels(endpoint).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)


class _Workers(Collector):
    """Workers that died, and photos that were sent again for it, by cause."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, meaning, counts in (
            ("face_worker_restarts", "Workers that died and were replaced.", self._supervisor.restarts),
            ("face_photos_resent", "Photos sent again after a worker's death.", self._supervisor.resent),
        ):
            family = CounterMetricFamily(name, meaning, labels=("cause",))
            for cause, count in counts.items():
                family.add_metric((cause,), count)
            yield family
