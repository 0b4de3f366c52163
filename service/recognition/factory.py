"""From a FACE_MODEL's number to a recogniser that is ready: weights, graphs, sessions, processes."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from model_store import manifest
from model_store.errors import StoreError
from model_store.manifest import DetectorFacts, GraphError
from model_store.models import (
    CNN_DETECTOR,
    DEVICE_DETECTOR,
    RESCORED_DETECTOR,
    Model,
    weights_of,
)
from model_store.store import WeightStore
from service.recognition.cnn import pyramid
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.on_device import (
    CandidateSearch,
    Detector,
    DeviceDetector,
    candidates_in_float32,
    candidates_in_mixed_precision,
)
from service.recognition.cnn.score_map import DetectorWindow
from service.recognition.cnn.strips import CnnDetector
from service.recognition.compute.cores import Cores
from service.recognition.contract import CHIP_SIDE, EngineError
from service.recognition.engines.dlib import DlibEngine, installed
from service.recognition.engines.onnx import OnnxEngine
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.faces.landmarks import Landmarks, Predictor
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.detector import HogDetector
from service.recognition.nms import OverlapRule
from service.recognition.ort import providers
from service.recognition.ort.providers import CPU, Provider
from service.recognition.ort.sessions import NO_TURNS, Session, Turn, opened
from service.recognition.pyramid_down import RATE
from service.recognition.recognizer import Recognizer

log = logging.getLogger(__name__)

ENGINES = ("onnx", "dlib")

FLOAT32, MIXED = "float32", "mixed"


@dataclass(frozen=True)
class Precision:
    """What a device computes in."""

    detector: str
    """The graph with which it looks for faces."""
    search: CandidateSearch
    """How it does."""
    half: bool = False
    """Whether there are layers in float16."""


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        FLOAT32: Precision(DEVICE_DETECTOR, candidates_in_float32),
        MIXED: Precision(RESCORED_DETECTOR, candidates_in_mixed_precision, half=True),
    }
)
"""By FACE_PRECISION."""

DETECTOR_SHARE = 3 / 4
"""Of a device's memory, for the detector, whose layers are larger than those of a batch of faces."""
STRIPS_SHARE = 1 / 6
"""Of the detector's: what a strip needs, where a whole photo needs more than there is."""


class RecognizerError(RuntimeError):
    """A recogniser cannot be opened. One line: what is missing or wrong, and what to do."""


def open_recognizer(
    model: Model,
    *,
    engine: str,
    store: Path,
    workers: int,
    threads: int,
    provider: str = providers.AUTO,
    allow_fallback: bool = False,
    device_memory: int | None = None,
    precision: str = FLOAT32,
) -> Recognizer:
    """Open a recogniser; `warm_up` makes it load the rest.

    Args:
        model: one of `models.MODELS`.
        engine: one of `ENGINES`.
        store: the root of the model store, with weights and, for `onnx`, their converted graphs.
        workers: how many photos will be recognised at once.
        threads: cores that each photo may use; 0 for all where it is alone, and its share where it is not.
        provider: what ONNX Runtime computes on: `auto` or one of `providers.PROVIDERS`.
        allow_fallback: where that provider cannot be used, the CPU may take its place; `auto` always may.
        device_memory: bytes of a device that the networks may take together; None for all that there are.
        precision: one of `PRECISIONS`: what a device computes in. The answers are float32's in each.

    Raises:
        RecognizerError: weights or graphs are missing or damaged, or a session cannot be made where it was to run.
    """
    try:
        weights = WeightStore(store)
        dlib = DlibEngine(
            detector=weights.path(CNN_DETECTOR) if model.detector == "cnn" else None,
            landmarks=weights.path(model.landmarks),
            network=weights.path(model.network),
            processes=workers,
        )
        if engine == "dlib":
            dlib.check()
            return Recognizer(model, dlib)
        return Recognizer(
            model,
            _on_best(
                partial(_onnx, model, weights, threads, precision), provider, allow_fallback, device_memory
            ),
            dlib if installed() else None,
        )
    except (StoreError, GraphError, EngineError, OSError) as error:
        raise RecognizerError(str(error)) from error


def _on_best(
    opened_on: Callable[[Provider, int | None], OnnxEngine],
    name: str,
    allow_fallback: bool,
    memory: int | None,
) -> OnnxEngine:
    """The engine on the provider of this name, or on the CPU where that is allowed and the provider fails at once."""
    chosen = providers.chosen(name, allow_fallback=allow_fallback)
    try:
        return opened_on(chosen, memory)
    except EngineError as error:
        if chosen.device is None or not (allow_fallback or name == providers.AUTO):
            raise
        log.error("%s. The CPU computes instead.", error)  # noqa: TRY400 - one line for a person
        return opened_on(CPU, None)


def _onnx(
    model: Model, weights: WeightStore, threads: int, precision: str, provider: Provider, memory: int | None
) -> OnnxEngine:
    computed_in = _precision(precision, provider)
    of_detector, of_network = _divided(model, memory)
    with ExitStack() as undone:
        cores = Cores(threads)
        turn = NO_TURNS if provider.device is None else threading.RLock()
        undone.callback(cores.close)
        detector: Detector | None = None
        if model.detector == "cnn":
            detector = _detector(weights, cores, computed_in, provider, turn, of_detector)
        for name in (model.landmarks, model.network):
            manifest.load(weights.root, name, weights.sha256(weights_of(name)))
        landmarks = Landmarks(Predictor.load(manifest.graph_path(weights.root, model.landmarks)))
        network = DescriptorNetwork(
            opened(
                manifest.graph_path(weights.root, model.network),
                provider,
                cores,
                # Its weights are held once by session, 42 MB: all cores or one are enough.
                widths=(cores.widths[0], cores.widths[-1]),
                memory=of_network,
                turn=turn,
            ),
            sizes=provider.descriptor_batches,
            runs=_runs(provider, cores),
        )
        if provider.device is not None:
            _prove(detector, network)
        hog = HogDetector(hog_filters.load(), cores) if model.uses_hog else None
        undone.pop_all()  # all went well
    return OnnxEngine(detector, hog, landmarks, network, cores)


def _precision(name: str, provider: Provider) -> Precision:
    """What a provider computes in for FACE_PRECISION."""
    asked = PRECISIONS[name]
    if provider.device is None:
        if asked.half:
            log.warning("FACE_PRECISION=%s is for a GPU: %s computes in float32", name, provider.name)
        return PRECISIONS[FLOAT32]
    return asked


def _runs(provider: Provider, cores: Cores) -> int:
    """Runs of a network at the same time."""
    return cores.total // cores.widths[0] if provider.device is None else 1


def _divided(model: Model, memory: int | None) -> tuple[int | None, int | None]:
    """Bytes of a device for the CNN detector and for the descriptor network, each of which has an arena of its own."""
    if memory is None:
        return None, None
    of_detector = int(memory * DETECTOR_SHARE) if model.detector == "cnn" else 0
    return of_detector, memory - of_detector


def _prove(detector: Detector | None, network: DescriptorNetwork) -> None:
    """Run the networks once: what a device cannot do shows then, and not before.

    Raises:
        EngineError: a run failed, or the CPU had to help.
    """
    network(np.zeros((1, CHIP_SIDE, CHIP_SIDE, 3), np.uint8))
    networks = [network.network]
    if detector is not None:
        image = np.zeros((CHIP_SIDE, CHIP_SIDE, 3), np.uint8)
        detector(image)
        if isinstance(detector, DeviceDetector):
            if detector.in_strips.batches():
                raise EngineError(
                    f"{detector.network.provider} cannot search a photo of {CHIP_SIDE} pixels as a whole"
                )
            detector.in_strips(image)
        networks.append(detector.network)
    if any(of.spared for of in networks):
        raise EngineError(
            f"{network.network.provider} has no memory for a single face: free some on the device, or raise "
            "FACE_GPU_MEMORY"
        )


def _detector(
    weights: WeightStore,
    cores: Cores,
    precision: Precision,
    provider: Provider,
    turn: Turn,
    memory: int | None,
) -> Detector:
    """The detector that suits the provider. Bytes of a device, `memory`, are for both of its graphs."""
    facts = manifest.load(weights.root, CNN_DETECTOR, weights.sha256(CNN_DETECTOR)).detector
    if facts is None:
        raise GraphError(f"the manifest of {CNN_DETECTOR} lacks the detector's facts: convert it again")
    of_strips = None if memory is None else int(memory * STRIPS_SHARE)
    in_strips = CnnDetector(
        opened(manifest.graph_path(weights.root, CNN_DETECTOR), provider, cores, memory=of_strips, turn=turn),
        window(facts),
        Pyramids(np.array(facts.mean, np.float32), cores),
        runs=_runs(provider, cores),
    )
    if provider.device is None:
        return in_strips
    manifest.load(weights.root, precision.detector, weights.sha256(CNN_DETECTOR))
    of_photos = None if memory is None or of_strips is None else memory - of_strips
    return DeviceDetector(
        precision.search,
        Session(
            manifest.graph_path(weights.root, precision.detector),
            cores.widths[-1],
            provider,
            memory=of_photos,
            half=precision.half,
            turn=turn,
        ),
        window(facts),
        device=provider.device,
        in_strips=in_strips,
    )


def window(facts: DetectorFacts) -> DetectorWindow:
    """The box rule of a detector's file.

    Raises:
        GraphError: the detector was trained on another pyramid than `pyramid` builds.
    """
    pyramid_of_file = (facts.padding, facts.outer_padding, facts.pyramid_rate)
    if pyramid_of_file != (pyramid.PADDING, pyramid.OUTER_PADDING, RATE):
        raise GraphError(
            f"this detector's pyramid (padding, outer padding, rate) is {pyramid_of_file}: not supported"
        )
    return DetectorWindow(
        facts.window_width,
        facts.window_height,
        OverlapRule(facts.suppression_overlap, facts.suppression_covered),
        facts.threshold,
    )
