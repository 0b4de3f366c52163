"""From a FACE_MODEL's number to a recogniser that is ready: weights, graphs, sessions, processes."""

from pathlib import Path

import numpy as np

from model_store import manifest
from model_store.errors import StoreError
from model_store.manifest import DetectorFacts, GraphError
from model_store.store import WeightStore
from service.recognition import hog_filters, pyramid
from service.recognition.descriptors import DescriptorNetwork
from service.recognition.engines.dlib import DlibEngine, installed
from service.recognition.engines.onnx import OnnxEngine
from service.recognition.engines.protocol import EngineError
from service.recognition.hog import HogDetector
from service.recognition.landmarks import Landmarks, Predictor
from service.recognition.levels import Pyramids
from service.recognition.mmod import Window
from service.recognition.models import CNN_DETECTOR, Model
from service.recognition.overlap import OverlapRule
from service.recognition.parallelism import Parallelism
from service.recognition.recognizer import Recognizer
from service.recognition.scan import CnnDetector
from service.recognition.sessions import Session

ENGINES = ("onnx", "dlib")


class RecognizerError(RuntimeError):
    """A recogniser cannot be opened. One line: what is missing or wrong, and what to do."""


def open_recognizer(model: Model, *, engine: str, store: Path, workers: int, threads: int) -> Recognizer:
    """Open a recogniser; `warm_up` makes it load the rest.

    Args:
        model: one of `models.MODELS`.
        engine: one of `ENGINES`.
        store: the root of the model store, with weights and, for `onnx`, their converted graphs.
        workers: how many photos will be recognised at once.
        threads: cores that one run of a network may use; 0 for all.

    Raises:
        RecognizerError: weights or graphs are missing or damaged, or a session cannot be made.
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
        return Recognizer(model, _onnx(model, weights, threads), dlib if installed() else None)
    except (StoreError, GraphError, EngineError, OSError) as error:
        raise RecognizerError(str(error)) from error


def _onnx(model: Model, weights: WeightStore, threads: int) -> OnnxEngine:
    shares = Parallelism.on_cpu(threads)
    detector = _detector(weights, shares) if model.detector == "cnn" else None
    for name in (model.landmarks, model.network):
        manifest.load(weights.root, name, weights.sha256(name))
    landmarks = Landmarks(Predictor.load(manifest.graph_path(weights.root, model.landmarks)))
    network = DescriptorNetwork(
        Session(manifest.graph_path(weights.root, model.network), shares.threads),
        faces=shares.descriptor_faces,
        runs=shares.runs,
    )
    hog = HogDetector(hog_filters.load(), shares.threads) if model.uses_hog else None
    return OnnxEngine(detector, hog, landmarks, network)


def _detector(weights: WeightStore, shares: Parallelism) -> CnnDetector:
    facts = manifest.load(weights.root, CNN_DETECTOR, weights.sha256(CNN_DETECTOR)).detector
    if facts is None:
        raise GraphError(f"the manifest of {CNN_DETECTOR} lacks the detector's facts: convert it again")
    return CnnDetector(
        Session(manifest.graph_path(weights.root, CNN_DETECTOR), shares.threads),
        window(facts),
        Pyramids(np.array(facts.mean, np.float32), shares.threads),
        pixels=shares.detector_pixels,
        runs=shares.runs,
    )


def window(facts: DetectorFacts) -> Window:
    """The box rule of a detector's file.

    Raises:
        GraphError: the detector was trained on another pyramid than `pyramid` builds.
    """
    pyramid_of_file = (facts.padding, facts.outer_padding, facts.pyramid_rate)
    if pyramid_of_file != (pyramid.PADDING, pyramid.OUTER_PADDING, pyramid.RATE):
        raise GraphError(
            f"this detector's pyramid (padding, outer padding, rate) is {pyramid_of_file}: not supported"
        )
    return Window(
        facts.window_width,
        facts.window_height,
        OverlapRule(facts.suppression_overlap, facts.suppression_covered),
        facts.threshold,
    )
