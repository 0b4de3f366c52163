"""Construction of the ONNX engine on a provider: graphs, sessions, shares of the device's memory."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from model_store import manifest
from model_store.manifest import GraphError
from model_store.models import CNN_DETECTOR, Model, weights_of
from model_store.store import WeightStore
from service.recognition.cnn import scan_kinds
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.scan import ScanKind
from service.recognition.cnn.scanning_detector import ScanningDetector
from service.recognition.cnn.strips import LARGE, ON_DEVICE, SMALL, CnnDetector, StripSizes
from service.recognition.compute.cores import Cores
from service.recognition.contract import DeviceFault, EngineError
from service.recognition.engines import scan_trial
from service.recognition.engines.onnx import ChosenDetector, OnnxEngine
from service.recognition.engines.precisions import IN_FLOAT32, PRECISIONS, ScanUse
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.detector import HogDetector
from service.recognition.ort.device import Kind
from service.recognition.ort.networks import load_network
from service.recognition.ort.providers import Provider

log = logging.getLogger(__name__)

DETECTOR_SHARE = 3 / 4
"""The detector's share of the device's memory. Its layers are larger than the layers of a batch of faces."""
SCAN_SHARE = 1 / 3
"""Share of the detector's memory for its scan, whose values in float16 have half the size of the float32 graph's."""


@dataclass(frozen=True)
class _MemoryLimits:
    """Memory limit of each session on a device, in bytes; None: no limit. Each session has a separate arena."""

    detector: int | None = None
    scan: int | None = None
    descriptors: int | None = None


@dataclass(frozen=True)
class _SharedParts:
    """The provider, its device and the cores that all sessions of an engine share."""

    provider: Provider
    kind: Kind | None
    """Kind of the device; None without one."""
    cores: Cores

    @property
    def on_cpu(self) -> bool:
        return self.provider.device is None

    @property
    def photos(self) -> int:
        """Number of photos that the CPU computes at the same time: all of their stages, or those before a device's."""
        return self.cores.total // self.cores.widths[0]

    @property
    def scan(self) -> ScanKind:
        return scan_kinds.INT8 if self.on_cpu else scan_kinds.FLOAT16

    @property
    def strips(self) -> StripSizes:
        return _STRIPS.get(self.kind, ON_DEVICE)


_STRIPS: Mapping[Kind | None, StripSizes] = MappingProxyType({None: LARGE, Kind.SOFTWARE: SMALL})
"""Area of a strip, by the kind of the device; others have ON_DEVICE. A strip of that area takes a software adapter two
minutes, the deadline of a call (worker/device_watch.py)."""


def build_onnx_engine(
    model: Model,
    weights: WeightStore,
    threads: int,
    precision: str,
    scan_check: int,
    provider: Provider,
    device_memory: int | None,
) -> OnnxEngine:
    """Build the ONNX engine of a model on a provider. A device is not proven yet (device_proof.py).

    Args:
        model: one of `models.MODELS`.
        weights: store of the weights; its folder also holds the converted graphs.
        threads: cores of every photo; 0 for a share of all cores (`Cores`).
        precision: a key of `PRECISIONS`.
        scan_check: number of scanned photos of which one is also computed in float32 as a whole; 0: none.
        provider: the provider of both networks.
        device_memory: bytes of the device for both networks together; None: no limit.

    Raises:
        StoreError: the store has no weights.
        GraphError: a graph is missing, or does not belong to the weights.
        EngineError: a session cannot be made on this provider.
    """
    facts = provider.device.facts() if provider.device else None
    kind = facts.kind if facts else None
    use = PRECISIONS[precision]
    if kind is Kind.SOFTWARE and use is ScanUse.IF_FASTER:
        use = ScanUse.NEVER  # its trial would take minutes
    limits = _memory_limits(model, use, device_memory)
    with ExitStack() as on_failure:
        cores = Cores(threads)
        on_failure.callback(cores.close)
        shared = _SharedParts(provider, kind, cores)
        detector: ChosenDetector | None = None
        if model.detector == "cnn":
            detector = _detector(weights, shared, use, scan_check, limits)
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
            ),
            sizes=provider.descriptor_batches,
            runs=shared.photos if shared.on_cpu else 1,
        )
        hog = HogDetector(hog_filters.load(), cores) if model.uses_hog else None
        on_failure.pop_all()
    return OnnxEngine(detector, hog, landmarks, network, cores)


def _memory_limits(model: Model, use: ScanUse, device_memory: int | None) -> _MemoryLimits:
    if device_memory is None:
        return _MemoryLimits()
    detector = int(device_memory * DETECTOR_SHARE) if model.detector == "cnn" else 0
    scan = 0 if use is ScanUse.NEVER else int(detector * SCAN_SHARE)
    return _MemoryLimits(detector - scan, scan, device_memory - detector)


def _detector(
    weights: WeightStore, shared: _SharedParts, use: ScanUse, scan_check: int, limits: _MemoryLimits
) -> ChosenDetector:
    """The CNN detector, with its scan if `use` asks for it and the trial allows it; else in float32 alone."""
    in_float32 = manifest.load(weights.root, CNN_DETECTOR, weights.sha256(CNN_DETECTOR))
    facts = in_float32.detector
    if facts is None:
        raise GraphError(f"the manifest of {CNN_DETECTOR} lacks the detector's facts: convert it again")
    exact = CnnDetector(
        load_network(
            manifest.graph_path(weights.root, CNN_DETECTOR),
            shared.provider,
            shared.cores,
            memory=limits.detector,
        ),
        detector_window(facts),
        Pyramids(np.array(facts.mean, np.float32), shared.cores),
        # While a device computes a photo, the pyramid of at least one more is made.
        runs=shared.photos if shared.on_cpu else max(shared.photos, 2),
        largest=shared.strips,
    )
    if use is ScanUse.NEVER:
        return ChosenDetector(exact, IN_FLOAT32)
    kind = shared.scan
    try:
        scan = manifest.load(weights.root, kind.graph, in_float32.source_sha256)
    except GraphError as error:
        if use is ScanUse.ALWAYS:
            raise
        log.warning(
            "the CNN detector computes in float32 alone, without its scan in %s: %s",
            kind.number_format,
            error,
        )
        return ChosenDetector(exact, IN_FLOAT32, scan_refused=str(error))
    try:
        graph = load_network(
            manifest.graph_path(weights.root, kind.graph),
            shared.provider,
            shared.cores,
            memory=limits.scan,
            has_float16=kind.features is np.float16,
        )
        detector = ScanningDetector(graph, exact, checked=scan_check, kind=kind)
        trial = scan_trial.trial(detector, shared.cores, (scan.graph_sha256, in_float32.graph_sha256))
    except DeviceFault:
        raise  # of the float32 graph's device as well
    except EngineError as error:
        log.warning("the CNN detector computes in float32 alone: %s", error)
        return ChosenDetector(exact, IN_FLOAT32, scan_refused=str(error))
    used = use is ScanUse.ALWAYS or trial.time_ratio <= scan_trial.FASTER
    log.info(
        "scan of the CNN detector in %s: %s; %s", kind.number_format, trial, "used" if used else "not used"
    )
    if not used:
        return ChosenDetector(exact, IN_FLOAT32, trial)
    return ChosenDetector(detector, kind.shown, trial)
