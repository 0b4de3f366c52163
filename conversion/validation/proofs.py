"""What each graph is compared with dlib in: the values that dlib gives, and the same values from the graph.

Both sides return arrays under the same names; `graphs.py` states how far each may differ, `validate.py` compares.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion.dat.read_network import Network
from conversion.graphs.descriptor import CHIPS, DESCRIPTORS
from conversion.graphs.detector import detector_facts
from conversion.graphs.device import device_graph
from conversion.graphs.precision import LIKE_FLOAT16
from conversion.validation import reference
from conversion.validation.exposed import RAISE, exposed
from conversion.validation.pictures import Picture, fingerprint
from service.recognition.cnn import pyramid, rescoring
from service.recognition.cnn import score_map as mmod
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.pyramid_tables import tables
from service.recognition.cnn.strips import scores_in_strips
from service.recognition.compute.cores import Cores
from service.recognition.contract import Detection
from service.recognition.ort.runtime import onnxruntime

Values = dict[str, NDArray[Any]]
_Found = tuple[list[Detection], NDArray[np.float32]]
"""Faces, and the scores of the map that they were found in, the highest first."""

BATCH = 32
"""Chips in one run, beside one by one: kernels are chosen by shape."""


def descriptors_of_dlib(weights: Path, network: Network, chips: Sequence[Picture]) -> Values:
    expected = reference.descriptors(weights, chips)
    return {"batch": expected, "single": expected}


def descriptors_of_graph(
    session: onnxruntime.InferenceSession, network: Network, chips: Sequence[Picture]
) -> Values:
    return {"batch": _described(session, chips, BATCH), "single": _described(session, chips, 1)}


def _described(
    session: onnxruntime.InferenceSession, chips: Sequence[Picture], at_once: int
) -> NDArray[np.float32]:
    return np.concatenate(
        [
            session.run([DESCRIPTORS.name], {CHIPS.name: np.stack(chips[start : start + at_once])})[0]
            for start in range(0, len(chips), at_once)
        ]
    )


def detections_of_dlib(weights: Path, network: Network, pictures: Sequence[Picture]) -> Values:
    """`faces`: rows of picture number and box; `confidences` of them; `scores`: each map, the highest first.

    dlib is asked once for all graphs of a file: without a BLAS it takes seconds for a picture.
    """
    asked = (hashlib.sha256(weights.read_bytes()).hexdigest(), fingerprint(pictures))
    if asked not in _detected:
        _detected[asked] = _ask_for_detections(weights, network, pictures)
    return _detected[asked]


_detected: dict[tuple[str, str], Values] = {}


def _ask_for_detections(weights: Path, network: Network, pictures: Sequence[Picture]) -> Values:
    found = reference.detections(weights, pictures)
    with tempfile.TemporaryDirectory(prefix="conversion-") as folder:
        copy = Path(folder, weights.name)
        copy.write_bytes(exposed(weights.read_bytes(), network))
        scores = reference.detections(copy, pictures)
    return {
        "faces": found[:, :5].astype(np.int32),
        "confidences": found[:, 5],
        "scores": (scores[:, 5] - RAISE).astype(np.float32),
    }


def detections_of_graph(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Values:
    mean = np.array(detector_facts(network).mean, np.float32)

    def compute(output: str, given: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        made: NDArray[np.float32] = session.run([output], dict(given))[0]
        return made

    with closing(Cores()) as cores:
        pyramids = Pyramids(mean, cores)

        def find(picture: Picture, layout: Layout, of_file: mmod.DetectorWindow) -> _Found:
            scores = scores_in_strips(compute, picture, layout, pyramids)
            return mmod.detections_of_map(scores, layout, of_file), -np.sort(-scores, axis=None)

        return _detections(find, network, pictures)


def detections_of_device_graph(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Values:
    def find(picture: Picture, layout: Layout, of_file: mmod.DetectorWindow) -> _Found:
        given = {"photos": picture[np.newaxis], **tables(layout)}
        at, above, scores = session.run(["at", "above", "scores"], given)
        return mmod.detections_of_candidates(
            mmod.Candidates(at[:, 2], at[:, 3], above), layout, of_file
        ), -np.sort(-scores, axis=None)

    return _detections(find, network, pictures)


def detections_of_rescored_graph(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Values:
    """`faces` and `confidences` of maps all of whose blocks are computed once more; `scores` of the scan, by place."""
    rounding = _session(device_graph(network, LIKE_FLOAT16))

    def find(picture: Picture, layout: Layout, of_file: mmod.DetectorWindow) -> _Found:
        given = {"photos": picture[np.newaxis], **tables(layout)}
        (scanned,) = rounding.run(["scores"], given)
        found, scores = session.run(
            ["blocks", "rescored"], {**given, "floor": np.array(-RAISE, np.float32), **rescoring.grid(layout)}
        )
        *_, of_map = rescoring.candidates(-RAISE, found[:, 2:], scores[:, 0], layout)
        above = rescoring.candidates(of_file.threshold, found[:, 2:], scores[:, 0], layout)
        return mmod.detections_of_candidates(above, layout, of_file), scanned.ravel()[np.argsort(-of_map)]

    return _detections(find, network, pictures)


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def _detections(
    find: Callable[[Picture, Layout, mmod.DetectorWindow], _Found],
    network: Network,
    pictures: Sequence[Picture],
) -> Values:
    of_file = detector_window(detector_facts(network))
    faces: list[tuple[int, ...]] = []
    confidences: list[float] = []
    scores: list[NDArray[np.float32]] = []
    for number, picture in enumerate(pictures):
        layout = pyramid.layout(*picture.shape[:2])
        if layout is None:
            continue  # too small for dlib to give a score either
        found, of_map = find(np.ascontiguousarray(picture), layout, of_file)
        for face in found:
            faces.append((number, *face.rectangle))
            confidences.append(face.confidence)
        scores.append(of_map)
    return {
        "faces": np.array(faces, np.int32).reshape(-1, 5),
        "confidences": np.array(confidences),
        "scores": np.concatenate(scores) if scores else np.empty(0, np.float32),
    }
