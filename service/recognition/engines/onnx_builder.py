"""Construction of the ONNX engine on a provider: graphs, sessions, shares of the device's memory, warm-up check."""

import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from model_store import manifest
from model_store.manifest import GraphError, Manifest
from model_store.models import CNN_DETECTOR, SCANNING_DETECTOR, Model, weights_of
from model_store.store import WeightStore
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.on_device import DeviceDetector
from service.recognition.cnn.scanning_detector import ScanningDetector
from service.recognition.cnn.strips import CnnDetector
from service.recognition.compute.cores import Cores
from service.recognition.contract import DeviceCheck, EngineError
from service.recognition.engines import scan_trial, warm_up_check
from service.recognition.engines.onnx import ChosenDetector, OnnxEngine
from service.recognition.engines.precisions import (
    IN_FLOAT32,
    PRECISIONS,
    SCAN_IN_INT8,
    CpuScan,
)
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.detector import HogDetector
from service.recognition.ort.providers import Provider
from service.recognition.ort.sessions import NO_LOCK, DeviceLock, Session, load_network

log = logging.getLogger(__name__)

DETECTOR_SHARE = 3 / 4
"""The detector's share of the device's memory. Its layers are larger than the layers of a batch of faces."""
STRIPS_SHARE = 1 / 6
"""Share of the detector's memory for its graph in strips, which computes photos that do not fit as a whole."""


@dataclass(frozen=True)
class _MemoryLimits:
    """Memory limit of each session on a device, in bytes; None: no limit. Each session has a separate arena."""

    whole_photos: int | None = None
    strips: int | None = None
    descriptors: int | None = None


@dataclass(frozen=True)
class _SharedParts:
    """The provider, the cores and the device lock that all sessions of an engine share."""

    provider: Provider
    cores: Cores
    device_lock: DeviceLock

    @property
    def runs(self) -> int:
        """Number of concurrent runs of a network."""
        return self.cores.total // self.cores.widths[0] if self.provider.device is None else 1


def build_onnx_engine(
    model: Model,
    weights: WeightStore,
    threads: int,
    precision: str,
    scan_check: int,
    provider: Provider,
    device_memory: int | None,
    device_missing: str | None = None,
) -> OnnxEngine:
    """Build the ONNX engine of a model on a provider; a device must pass its warm-up check.

    Args:
        model: one of `models.MODELS`.
        weights: store of the weights; its folder also holds the converted graphs.
        threads: cores of every photo; 0 for a share of all cores (`Cores`).
        precision: a key of `PRECISIONS`.
        scan_check: number of scanned photos of which one is also computed in float32 as a whole; 0: none.
        provider: the provider of both networks.
        device_memory: bytes of the device for both networks together; None: no limit.
        device_missing: reason why the CPU takes the place of a device, for `Stage`.

    Raises:
        StoreError: the store has no weights.
        GraphError: a graph is missing, or does not belong to the weights.
        EngineError: a session cannot be made on this provider, or the device failed its warm-up check.
    """
    limits = _memory_limits(model, device_memory)
    with ExitStack() as on_failure:
        cores = Cores(threads)
        on_failure.callback(cores.close)
        shared = _SharedParts(provider, cores, NO_LOCK if provider.device is None else threading.RLock())
        detector: ChosenDetector | None = None
        if model.detector == "cnn":
            detector = _detector(weights, shared, precision, scan_check, limits)
        for name in (model.landmarks, model.network):
            manifest.load(weights.root, name, weights.sha256(weights_of(name)))
        landmarks = Landmarks(Predictor.load(manifest.graph_path(weights.root, model.landmarks)))
        network = DescriptorNetwork(
            load_network(
                manifest.graph_path(weights.root, model.network),
                provider,
                cores,
                # Each session copies the weights, 42 MB: only the smallest and the largest width get a session.
                widths=(cores.widths[0], cores.widths[-1]),
                memory=limits.descriptors,
                device_lock=shared.device_lock,
            ),
            sizes=provider.descriptor_batches,
            runs=shared.runs,
        )
        device_checks: Mapping[str, DeviceCheck] = {}
        if provider.device is not None:
            warm_up_check.check(detector.detector if detector else None, network)
            device_checks = _compared_with_cpu(model, weights, detector, network)
        hog = HogDetector(hog_filters.load(), cores) if model.uses_hog else None
        on_failure.pop_all()
    return OnnxEngine(detector, hog, landmarks, network, cores, device_checks, device_missing)


def _memory_limits(model: Model, device_memory: int | None) -> _MemoryLimits:
    if device_memory is None:
        return _MemoryLimits()
    detector = int(device_memory * DETECTOR_SHARE) if model.detector == "cnn" else 0
    strips = int(detector * STRIPS_SHARE)
    return _MemoryLimits(detector - strips, strips, device_memory - detector)


def _detector(
    weights: WeightStore, shared: _SharedParts, precision: str, scan_check: int, limits: _MemoryLimits
) -> ChosenDetector:
    """The CNN detector: in strips on the CPU, with a scan or without, and on a device whole photos first."""
    in_float32 = manifest.load(weights.root, CNN_DETECTOR, weights.sha256(CNN_DETECTOR))
    facts = in_float32.detector
    if facts is None:
        raise GraphError(f"the manifest of {CNN_DETECTOR} lacks the detector's facts: convert it again")
    provider, cores, device_lock = shared.provider, shared.cores, shared.device_lock
    in_strips = CnnDetector(
        load_network(
            manifest.graph_path(weights.root, CNN_DETECTOR),
            provider,
            cores,
            memory=limits.strips,
            device_lock=device_lock,
        ),
        detector_window(facts),
        Pyramids(np.array(facts.mean, np.float32), cores),
        runs=shared.runs,
    )
    if provider.device is None:
        use = PRECISIONS[precision].cpu_scan
        return _with_scan(weights, shared, use, scan_check, in_strips, in_float32)
    on_device = PRECISIONS[precision].on_device
    manifest.load(weights.root, on_device.detector, weights.sha256(CNN_DETECTOR))
    whole_photos = DeviceDetector(
        on_device.search,
        Session(
            manifest.graph_path(weights.root, on_device.detector),
            cores.widths[-1],
            provider,
            memory=limits.whole_photos,
            has_float16=on_device.has_float16,
            device_lock=device_lock,
        ),
        detector_window(facts),
        device=provider.device,
        in_strips=in_strips,
    )
    return ChosenDetector(whole_photos, on_device.shown)


def _compared_with_cpu(
    model: Model, weights: WeightStore, detector: ChosenDetector | None, network: DescriptorNetwork
) -> Mapping[str, DeviceCheck]:
    """The comparison of a device with the CPU, whose sessions end with it."""
    on_device = detector.detector if detector else None
    on_cpu: CnnDetector | None = None
    if isinstance(on_device, DeviceDetector):
        strips = on_device.in_strips
        graph = Session(manifest.graph_path(weights.root, CNN_DETECTOR))
        on_cpu = CnnDetector(graph, strips.window, strips.pyramids, runs=1)
    else:
        on_device = None
    return warm_up_check.compare(
        on_device, network, on_cpu, Session(manifest.graph_path(weights.root, model.network))
    )


def _with_scan(
    weights: WeightStore,
    shared: _SharedParts,
    use: CpuScan,
    scan_check: int,
    exact: CnnDetector,
    in_float32: Manifest,
) -> ChosenDetector:
    """The detector with its scan in int8, if `use` asks for it and the trial allows it; else in float32 alone."""
    if use is CpuScan.NEVER:
        return ChosenDetector(exact, IN_FLOAT32)
    try:
        scan = manifest.load(weights.root, SCANNING_DETECTOR, in_float32.source_sha256)
    except GraphError as error:
        if use is CpuScan.ALWAYS:
            raise
        log.warning("the CNN detector computes in float32 alone, without its scan in int8: %s", error)
        return ChosenDetector(exact, IN_FLOAT32, scan_refused=str(error))
    try:
        graph = load_network(
            manifest.graph_path(weights.root, SCANNING_DETECTOR), shared.provider, shared.cores
        )
        detector = ScanningDetector(graph, exact, checked=scan_check)
        trial = scan_trial.trial(detector, shared.cores, (scan.graph_sha256, in_float32.graph_sha256))
    except EngineError as error:
        log.warning("the CNN detector computes in float32 alone: %s", error)
        return ChosenDetector(exact, IN_FLOAT32, scan_refused=str(error))
    used = use is CpuScan.ALWAYS or trial.time_ratio <= scan_trial.FASTER
    log.info("scan of the CNN detector in int8: %s; %s", trial, "used" if used else "not used")
    if not used:
        return ChosenDetector(exact, IN_FLOAT32, trial)
    return ChosenDetector(detector, SCAN_IN_INT8, trial)
