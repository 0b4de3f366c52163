"""Prometheus metrics of one application: numbers only, no names, no contents."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

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
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.admission import Budget
from service.originals import Originals
from service.queue import Queue
from service.readiness import NotReady, Readiness
from service.recognition.models import Model
from service.recognition.timings import Timings
from service.uploads import UploadBudget
from service.versions import own_version

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""The endpoint's name for every path that does not exist, so that callers cannot invent time series."""

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Bounds of the histograms: from a chip on a fast machine to a queue of an hour's end."""


class Metrics:
    """Counts and times of one application, in a registry of its own. Safe in every thread."""

    def __init__(self, model: Model, endpoints: Iterable[str], readiness: Readiness) -> None:
        self._endpoints = frozenset(endpoints)
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("face_requests", "Answers sent.", ("endpoint", "status"), registry=registry)
        self.request_seconds = Histogram(
            "face_request_seconds", "From head to answer.", ("endpoint",), buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge("face_requests_in_flight", "Requests not answered yet.", registry=registry)
        self.stage_seconds = Histogram(
            "face_stage_seconds",
            "Time of each stage of a photo.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )
        self.faces = Counter("face_faces", "Faces found or described.", registry=registry)
        self.cancelled = Counter(
            "face_cancelled",
            "Callers that hung up, by what their photo was doing.",
            ("photo",),
            registry=registry,
        )
        self.retried = Counter(
            "face_retried", "Photos whose engine failed and that were tried again, alone.", registry=registry
        )
        self.original_hits = Counter(
            "face_originals_hits", "Faces of an original whose decoded pixels were held.", registry=registry
        )
        self.original_misses = Counter(
            "face_originals_misses", "Faces of an original that was decoded for them.", registry=registry
        )
        Info("face_model", "FACE_MODEL and version.", registry=registry).info(
            {"number": str(model.number), "description": model.description, "version": own_version()}
        )
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        registry.register(_Stages(readiness))

    def watch(self, uploads: UploadBudget, queue: Queue, originals: Originals) -> None:
        """Adds gauges of the budgets: bytes or places granted, and requests that wait. Read at each scrape."""
        Gauge(
            "face_originals_bytes",
            "Bytes of decoded originals that are held, part of face_photos_bytes_lent.",
            registry=self.registry,
        ).set_function(lambda: originals.bytes_held)
        budgets: tuple[tuple[str, str, Budget | UploadBudget], ...] = (
            ("uploads", "bytes", uploads),
            ("photos", "bytes", queue.memory),
            ("photos", "places", queue.places),
        )
        for name, unit, budget in budgets:
            for what, meaning, value in (
                ("lent", "taken at present", lambda budget=budget: budget.lent),
                ("limit", "there are", lambda budget=budget: budget.total),
                ("waiting", "requests in line for it", lambda budget=budget: budget.waiting),
                ("asked", "asked for by those in line", lambda budget=budget: budget.waited_for),
            ):
                gauge = Gauge(
                    f"face_{name}_{unit}_{what}",
                    f"{name.capitalize()}, {unit}: {meaning}.",
                    registry=self.registry,
                )
                gauge.set_function(value)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request is over; `status` is 0 where nothing was sent."""
        endpoint = path if path in self._endpoints else OTHER
        self.requests.labels(endpoint, str(status)).inc()
        self.request_seconds.labels(endpoint).observe(seconds)

    def recognized(self, decoding: float, timings: Timings, faces: int) -> None:
        """A photo is done; `decoding` is in seconds."""
        for stage, seconds in {"decode": decoding, **asdict(timings)}.items():
            if seconds:
                self.stage_seconds.labels(stage).observe(seconds)
        self.faces.inc(faces)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)


class _Stages(Collector):
    """Engine and provider of each stage, sizes of its batches and number of its fallbacks to dlib, once warmed up."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        try:
            stages = self._readiness.now().stages()
        except NotReady:
            return
        engines = GaugeMetricFamily(
            "face_stage_info", "Who computes a stage.", labels=("stage", "engine", "provider")
        )
        fallbacks = CounterMetricFamily(
            "face_fallbacks", "Stages of photos for which dlib stood in.", labels=("stage",)
        )
        on_cpu = CounterMetricFamily(
            "face_runs_on_cpu", "Runs of a network for which its device had no memory.", labels=("stage",)
        )
        batches = HistogramMetricFamily(
            "face_batch_photos", "Photos that shared a run of a network.", labels=("stage",)
        )
        for name, stage in stages.items():
            if stage.batches:
                batches.add_metric((name,), *_cumulated(stage.batches))
            engines.add_metric((name, stage.engine, stage.provider), 1)
            fallbacks.add_metric((name,), stage.fallbacks)
            on_cpu.add_metric((name,), stage.on_cpu)
        yield engines
        yield fallbacks
        yield on_cpu
        yield batches


def _cumulated(batches: Mapping[int, int]) -> tuple[list[tuple[str, float]], float]:
    """Prometheus's buckets, each with all that is smaller, and the sum of all sizes."""
    buckets = [
        (str(bound), float(sum(count for size, count in batches.items() if size <= bound)))
        for bound in BATCH_SIZES
    ]
    total = float(sum(batches.values()))
    return [*buckets, ("+Inf", total)], float(sum(size * count for size, count in batches.items()))
