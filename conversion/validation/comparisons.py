"""Values for the comparison of each graph with dlib: one function for dlib's values, and one for the graph's.

Both functions return arrays with the same names. `specifications.py` has their tolerances, `validate.py` compares.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion.dat.read_network import Network
from conversion.graphs.descriptor import CHIPS, DESCRIPTORS
from conversion.graphs.detector import detector_facts
from conversion.graphs.emulated_float16 import emulated_scan_graph
from conversion.validation import reference
from conversion.validation.all_scores import SCORE_OFFSET, with_all_scores_reported
from conversion.validation.pictures import fingerprint
from service.recognition.cnn import pyramid, rescoring, score_map
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.pyramid_tables import tables
from service.recognition.cnn.strips import scores_in_strips
from service.recognition.compute.cores import Cores
from service.recognition.contract import Detection
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture

Values = dict[str, NDArray[Any]]
"""Compared arrays by name."""
_Found = tuple[list[Detection], NDArray[np.float32]]
"""Faces of a picture, and the scores of its map in descending order."""

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
    """`faces`: rows of picture number and box; their `confidences`; and all `scores` in descending order.

    Cached, since three graphs of one file are compared: without BLAS, dlib takes seconds per picture.
    """
    key = (hashlib.sha256(weights.read_bytes()).hexdigest(), fingerprint(pictures))
    if key not in _dlib_cache:
        _dlib_cache[key] = _run_dlib_detector(weights, network, pictures)
    return _dlib_cache[key]


_dlib_cache: dict[tuple[str, str], Values] = {}
"""Dlib's values by sha256 of the weights and fingerprint of the pictures."""


def _run_dlib_detector(weights: Path, network: Network, pictures: Sequence[Picture]) -> Values:
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
    """The same values of the graph for the CPU, in strips as in the service."""
    mean = np.array(detector_facts(network).mean, np.float32)
    with closing(Cores()) as cores:
        pyramids = Pyramids(mean, cores)

        def find(picture: Picture, layout: Layout, window: score_map.DetectorWindow) -> _Found:
            scores = scores_in_strips(partial(compute, session), picture, layout, pyramids)
            return score_map.detections_of_map(scores, layout, window), -np.sort(-scores, axis=None)

        return _detections(find, network, pictures)


def detections_of_device_graph(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Values:
    def find(picture: Picture, layout: Layout, window: score_map.DetectorWindow) -> _Found:
        inputs = {"photos": picture[np.newaxis], **tables(layout)}
        positions, above, scores = session.run(["at", "above", "scores"], inputs)
        return score_map.detections_of_candidates(
            score_map.Candidates(positions[:, 2], positions[:, 3], above), layout, window
        ), -np.sort(-scores, axis=None)

    return _detections(find, network, pictures)


def detections_of_rescored_graph(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Values:
    """`faces` and `confidences` with all blocks rescored, and `scores` of the emulated float16 scan.

    The scan's scores are in the order of the rescored scores, descending. So their difference from dlib's is the
    scan's error at each position of the map.
    """
    emulated_scan = onnxruntime.InferenceSession(
        emulated_scan_graph(network), providers=["CPUExecutionProvider"]
    )

    def find(picture: Picture, layout: Layout, window: score_map.DetectorWindow) -> _Found:
        inputs = {"photos": picture[np.newaxis], **tables(layout)}
        (scanned,) = emulated_scan.run(["scores"], inputs)
        floor = np.array(-SCORE_OFFSET, np.float32)  # below all scores
        found, scores = session.run(
            ["blocks", "rescored"], {**inputs, "floor": floor, **rescoring.grid(layout)}
        )
        *_, map_scores = rescoring.candidates(-SCORE_OFFSET, found[:, 2:], scores[:, 0], layout)
        above = rescoring.candidates(window.threshold, found[:, 2:], scores[:, 0], layout)
        return score_map.detections_of_candidates(above, layout, window), scanned.ravel()[
            np.argsort(-map_scores)
        ]

    return _detections(find, network, pictures)


def _detections(
    find: Callable[[Picture, Layout, score_map.DetectorWindow], _Found],
    network: Network,
    pictures: Sequence[Picture],
) -> Values:
    window = detector_window(detector_facts(network))
    faces: list[tuple[int, ...]] = []
    confidences: list[float] = []
    scores: list[NDArray[np.float32]] = []
    for number, picture in enumerate(pictures):
        layout = pyramid.layout(*picture.shape[:2])
        if layout is None:
            continue  # too small for a score, in dlib too
        found, map_scores = find(np.ascontiguousarray(picture), layout, window)
        for face in found:
            faces.append((number, *face.rectangle))
            confidences.append(face.confidence)
        scores.append(map_scores)
    return {
        "faces": np.array(faces, np.int32).reshape(-1, 5),
        "confidences": np.array(confidences),
        "scores": np.concatenate(scores) if scores else np.empty(0, np.float32),
    }
