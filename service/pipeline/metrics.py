"""Prometheus metrics of the worker process: numbers only, no file names, no contents."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.decoders.pool import DecoderPool
from service.gauges import DURATION_BUCKETS, add_budget
from service.pipeline.originals import Originals
from service.pipeline.queue import Queue
from service.pipeline.readiness import NotWarm, Readiness
from service.recognition.contract import DeviceProof, ScanFigures

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Bucket bounds of the histogram of batch sizes, in photos."""

NAMESPACE = "face_worker"
"""Prefix of the worker's `process_…` metrics; those of the web process have the plain names."""


class WorkerMetrics:
    """Counters and histograms of one worker, in a separate registry. Thread-safe."""

    def __init__(self, readiness: Readiness) -> None:
        self.registry = registry = CollectorRegistry()
        self.stage_seconds = Histogram(
            "face_stage_seconds",
            "Time of each stage of a photo.",
            ("stage",),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.faces = Counter("face_faces", "Faces found or described.", registry=registry)
        self.retried = Counter(
            "face_retried", "Photos whose engine failed and that were tried again, alone.", registry=registry
        )
        self.original_hits = Counter(
            "face_originals_hits", "Faces of an original whose decoded pixels were held.", registry=registry
        )
        self.original_misses = Counter(
            "face_originals_misses", "Faces of an original that was decoded for them.", registry=registry
        )
        ProcessCollector(namespace=NAMESPACE, registry=registry)
        registry.register(_StageCollector(readiness))

    def watch(self, queue: Queue, originals: Originals, decoders: DecoderPool) -> None:
        """Add gauges of the budgets and counters of the decoders, which are read at each scrape."""
        Gauge(
            "face_originals_bytes",
            "Bytes of decoded originals that are held, part of face_photos_bytes_granted.",
            registry=self.registry,
        ).set_function(lambda: originals.bytes_held)
        for unit, budget in (("bytes", queue.memory), ("places", queue.places)):
            add_budget(self.registry, "photos", unit, budget)
        self.registry.register(_DecoderCollector(decoders))

    def recognized(self, stages: Mapping[str, float], faces: int) -> None:
        """Record a recognised photo: the seconds of each stage that ran, and the number of faces."""
        for stage, seconds in stages.items():
            self.stage_seconds.labels(stage).observe(seconds)
        self.faces.inc(faces)

    def text(self) -> str:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry).decode()


class _DecoderCollector(Collector):
    """Counters of decoder processes: starts, and faults by cause."""

    def __init__(self, decoders: DecoderPool) -> None:
        self._decoders = decoders

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "face_decoders_started", "Decoder processes that were started.", value=self._decoders.started
        )
        faults = CounterMetricFamily(
            "face_decoder_faults", "Images that ended their decoder process.", labels=("cause",)
        )
        for cause, count in self._decoders.faults.items():
            faults.add_metric((cause,), count)
        yield faults


class _StageCollector(Collector):
    """Metrics of each stage after the warm-up: engine, provider, precision, batch sizes, fallbacks, runs on the CPU."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        try:
            stages = self._readiness.now().stages()
        except NotWarm:
            return
        engines = GaugeMetricFamily(
            "face_stage_info",
            "Engine, provider and precision of a stage.",
            labels=("stage", "engine", "provider", "precision"),
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
                batches.add_metric((name,), *_cumulative(stage.batches))
            engines.add_metric((name, stage.engine, stage.provider, stage.precision), 1)
            fallbacks.add_metric((name,), stage.fallbacks)
            on_cpu.add_metric((name,), stage.on_cpu)
        yield engines
        yield fallbacks
        yield on_cpu
        yield batches
        yield from _proof_metrics([stage.device_proof for stage in stages.values() if stage.device_proof])
        yield from _scan_metrics([stage.scan for stage in stages.values() if stage.scan])
        yield GaugeMetricFamily(
            "face_scan_refused",
            "1 if the scan failed its trial at the start, or its graph is missing.",
            value=float(any(stage.scan_refused for stage in stages.values())),
        )


_PROOF_GAUGES = MappingProxyType(
    {
        "passed": "1 if a device gave the CPU's values at the start; 0: it did not, and is not used.",
        "score_difference": "Largest difference of a score of the CNN detector from the CPU's.",
        "descriptor_difference": "Largest difference of one of the 128 numbers of a face from the CPU's.",
        "time_ratio": "Time of a synthetic picture on the device divided by the CPU's.",
    }
)
"""Field of DeviceProof to the meaning of its gauge."""


def _proof_metrics(proofs: Sequence[DeviceProof]) -> Iterator[Metric]:
    """Metrics of the comparison of a device with the CPU, without a value if there was none."""
    for name, meaning in _PROOF_GAUGES.items():
        gauge = GaugeMetricFamily(
            f"face_device_proof_{name}", meaning, labels=("provider", "device", "driver")
        )
        for proof in proofs:
            if (value := getattr(proof, name)) is not None:
                gauge.add_metric((proof.provider, proof.device, proof.driver or ""), float(value))
        yield gauge


_SCAN_COUNTERS = MappingProxyType(
    {
        "photos": "Photos that were scanned.",
        "crowded": "Scanned photos computed in float32 as a whole, since their blocks would have cost as much.",
        "deviating": "Scanned photos computed in float32 as a whole, since a scanned score differed too much.",
        "checked": "Scanned photos also computed in float32 as a whole (FACE_SCAN_CHECK).",
        "scores": "Scores of the maps of all scanned photos but the crowded ones.",
        "rescored": "Cost of their blocks in float32, in scores of a whole map.",
    }
)
"""Field of ScanFigures to the meaning of its counter."""


def _scan_metrics(scans: Sequence[ScanFigures]) -> Iterator[Metric]:
    """Metrics of the detector's scan, without a value if no stage has one."""
    for name, meaning in _SCAN_COUNTERS.items():
        counter = CounterMetricFamily(f"face_scan_{name}", meaning, labels=())
        for scan in scans:
            counter.add_metric((), getattr(scan, name))
        yield counter
    error = GaugeMetricFamily(
        "face_scan_largest_error",
        "Largest error of a scanned score, at places whose float32 score is above -1.",
        labels=(),
    )
    for scan in scans:
        error.add_metric((), scan.largest_error)
    yield error


def _cumulative(batches: Mapping[int, int]) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets of a Prometheus histogram, and the sum of all batch sizes."""
    buckets = [
        (str(bound), float(sum(count for size, count in batches.items() if size <= bound)))
        for bound in BATCH_SIZES
    ]
    total = float(sum(batches.values()))
    return [*buckets, ("+Inf", total)], float(sum(size * count for size, count in batches.items()))
