"""The CNN detector in float32 of a model store, as the reference of the other detectors."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.strips import CnnDetector
from service.recognition.compute.cores import Cores
from service.recognition.ort.sessions import Session


@contextmanager
def float32_detector(store: Path, *, runs: int) -> Iterator[CnnDetector]:
    """The detector, for that many photos at the same time."""
    facts = manifest.load(store, CNN_DETECTOR).detector
    assert facts is not None
    with closing(Cores()) as cores:
        pyramids = Pyramids(np.array(facts.mean, np.float32), cores)
        network = Session(manifest.graph_path(store, CNN_DETECTOR))
        yield CnnDetector(network, detector_window(facts), pyramids, runs=runs)
