"""Values for the comparison of each graph with dlib: one function for dlib's values, and one for the graph's.

Both functions return arrays with the same names. `specifications.py` has their tolerances, `validate.py` compares.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion.dat.read_network import Network
from conversion.graphs.descriptor import CHIPS, DESCRIPTORS
from conversion.graphs.detector import detector_facts
from conversion.validation import reference
from conversion.validation.all_scores import SCORE_OFFSET, with_all_scores_reported
from service.recognition.cnn import pyramid
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.score_map import detections_of_map
from service.recognition.cnn.strips import scores_in_strips
from service.recognition.compute.cores import Cores
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture

Values = dict[str, NDArray[Any]]
"""Compared arrays by name."""

BATCH = 32
"""Chips in one run, in addition to runs of one chip, since kernels are chosen by shape."""


def descriptors_of_dlib(weights: Path, network: Network, chips: Sequence[Picture]) -> Values:
    expected = reference.descriptors(weights, chips)
    return {"batch": expected, "single": expected}


def descriptors_of_graph(
    session: onnxruntime.InferenceSession, network: Network, chips: Sequence[Picture]
) -> Values:
    return {"batch": _in_batches(session, chips, BATCH), "single": _in_batches(session, chips, 1)}


def _in_batches(
    session: onnxruntime.InferenceSession, chips: Sequence[Picture], batch: int
) -> NDArray[np.float32]:
    return np.concatenate(
        [
            session.run([DESCRIPTORS.name], {CHIPS.name: np.stack(chips[start : start + batch])})[0]
            for start in range(0, len(chips), batch)
        ]
    )


def detections_of_dlib(weights: Path, network: Network, pictures: Sequence[Picture]) -> Values:
    """`faces`: rows of picture number and box; their `confidences`; and all `scores` in descending order."""
    found = reference.detections(weights, pictures)
    with tempfile.TemporaryDirectory(prefix="conversion-") as folder:
        copy = Path(folder, weights.name)
        copy.write_bytes(with_all_scores_reported(weights.read_bytes(), network))
        scores = reference.detections(copy, pictures)
    return {
        "faces": found[:, :5].astype(np.int32),
        "confidences": found[:, 5],
        "scores": (scores[:, 5] - SCORE_OFFSET).astype(np.float32),
    }


def compute(
    session: onnxruntime.InferenceSession, output: str, inputs: Mapping[str, NDArray[Any]]
) -> NDArray[np.float32]:
    """Run a part of a graph, for the functions of service/recognition/cnn."""
    result: NDArray[np.float32] = session.run([output], dict(inputs))[0]
    return result


def detections_of_graph(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Values:
    """The same values of the graph, in strips as in the service."""
    facts = detector_facts(network)
    window = detector_window(facts)
    faces: list[tuple[int, ...]] = []
    confidences: list[float] = []
    scores: list[NDArray[np.float32]] = []
    with closing(Cores()) as cores:
        pyramids = Pyramids(np.array(facts.mean, np.float32), cores)
        for number, picture in enumerate(pictures):
            layout = pyramid.layout(*picture.shape[:2])
            if layout is None:
                continue  # too small for a score, in dlib too
            image = np.ascontiguousarray(picture)
            score_map = scores_in_strips(partial(compute, session), image, layout, pyramids)
            for face in detections_of_map(score_map, layout, window):
                faces.append((number, *face.rectangle))
                confidences.append(face.confidence)
            scores.append(-np.sort(-score_map, axis=None))
    return {
        "faces": np.array(faces, np.int32).reshape(-1, 5),
        "confidences": np.array(confidences),
        "scores": np.concatenate(scores) if scores else np.empty(0, np.float32),
    }
