"""What each graph is compared with dlib in: the values that dlib gives, and the same values from the graph.

Both sides return arrays under the same names; `graphs.py` states how far each may differ, `validate.py` compares.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion import reference
from conversion.detector import detector_facts
from conversion.exposed import RAISE, exposed
from conversion.networks import CHIPS, DESCRIPTORS
from conversion.pictures import Picture
from conversion.read_network import Network
from service.recognition import mmod, pyramid
from service.recognition.cores import Cores
from service.recognition.levels import Pyramids
from service.recognition.overlap import OverlapRule
from service.recognition.runtime import onnxruntime
from service.recognition.scan import score_maps

Values = dict[str, NDArray[Any]]

BATCH = 32
"""Chips in one run, beside one by one: kernels are chosen by shape."""


def descriptors_of_dlib(weights: Path, network: Network, chips: Sequence[Picture]) -> Values:
    expected = reference.descriptors(weights, chips)
    return {"batch": expected, "single": expected}


def descriptors_of_graph(
    session: onnxruntime.InferenceSession, network: Network, chips: Sequence[Picture]
) -> Values:
    def run(some: Sequence[Picture]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run([DESCRIPTORS.name], {CHIPS.name: np.stack(some)})[0]
        return result

    batches = [run(chips[start : start + BATCH]) for start in range(0, len(chips), BATCH)]
    return {"batch": np.concatenate(batches), "single": np.concatenate([run([chip]) for chip in chips])}


def detections_of_dlib(weights: Path, network: Network, pictures: Sequence[Picture]) -> Values:
    """`faces`: rows of picture number and box; `confidences` of them; `scores`: each map, the highest first."""
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
    facts = detector_facts(network)
    window = mmod.Window(
        facts.window_width,
        facts.window_height,
        OverlapRule(facts.suppression_overlap, facts.suppression_covered),
    )
    faces: list[tuple[int, ...]] = []
    confidences: list[float] = []
    scores: list[NDArray[np.float32]] = []

    def compute(output: str, given: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        made: NDArray[np.float32] = session.run([output], dict(given))[0]
        return made

    with closing(Cores()) as cores:
        pyramids = Pyramids(np.array(facts.mean, np.float32), cores)
        for number, picture in enumerate(pictures):
            layout = pyramid.layout(*picture.shape[:2])
            if layout is None:
                continue  # too small for dlib to give a score either
            (found,) = score_maps(compute, [np.ascontiguousarray(picture)], layout, pyramids)
            for face in mmod.detections(found, layout, window):
                faces.append((number, *face.rectangle))
                confidences.append(face.confidence)
            scores.append(np.sort(found[found > -RAISE])[::-1])
    return {
        "faces": np.array(faces, np.int32).reshape(-1, 5),
        "confidences": np.array(confidences),
        "scores": np.concatenate(scores) if scores else np.empty(0, np.float32),
    }
