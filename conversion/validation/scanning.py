"""The int8 scan: its calibration, and its scores for the comparison with the float32 graph.

The calibration needs no photo: on photos, the error of a graph that was calibrated on the synthetic pictures and their
distorted copies is that of a graph that was calibrated on photos. So photos are an independent check, if there are any.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from conversion.dat.read_network import Network
from conversion.graphs.detector import detector_facts, detector_graph
from conversion.graphs.scan import scan_graph
from conversion.validation.comparisons import Values, compute
from conversion.validation.distortions import distorted_copies
from conversion.validation.pictures import face_chips
from service.recognition.cnn import pyramid
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.scan import MARGIN, SCORE_OF_INTEREST, byte_rows, scanned_in_strips
from service.recognition.cnn.scan_kinds import INT8, block_in_strips
from service.recognition.cnn.scanning_detector import ROUNDING
from service.recognition.cnn.strips import LARGE, Compute, map_of_features, photo_features, whole_map
from service.recognition.compute.cores import Cores
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture, scenes

LIMITS: Mapping[str, float] = MappingProxyType(
    {"scores": MARGIN / 3, "RMS error": MARGIN / 20, "blocks": ROUNDING}
)
"""Limits of the values of `scores_of`. Measured in November 2026 on `pictures` and sample photos, with several
calibrations and weights: up to 0.18, 0.030 and 0. The root mean square (RMS) reveals a fault of one channel that leaves
the largest error within its limit: from 0.095 on."""
BLOCK_SIDE = 8
"""Rows and columns of the compared blocks, about those of a face: some are far from all edges of a picture's map."""

Scores = NDArray[np.float32]
"""A score map, shape (rows, columns)."""


def calibrated_graph(network: Network) -> bytes:
    """The scan, calibrated on the synthetic pictures and their distorted copies. Raises CalibrationError."""
    return scan_graph(network, tiles(network, with_copies(*scenes())))


def pictures() -> list[Picture]:
    """Drawn faces and noise, and the synthetic pictures with their distorted copies."""
    return [*face_chips(), *with_copies(*scenes())]


def with_copies(*pictures: Picture) -> list[Picture]:
    """Pictures and their distorted copies."""
    return [*pictures, *distorted_copies(pictures)]


def scores_of(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> tuple[Values, Values]:
    """Values of the float32 graph and of the scan: `scores`; `RMS error`, the RMS of their errors; and `blocks`.

    All are those of places with a float32 score above SCORE_OF_INTEREST. `blocks` are the scores of the scan's float32
    head, for which the maps are divided into blocks.
    """
    maps = list(score_maps(session, network, pictures))
    float32, scanned, in_blocks = (np.concatenate([one[which].ravel() for one in maps]) for which in range(3))
    interesting = float32 > SCORE_OF_INTEREST
    float32, scanned, in_blocks = float32[interesting], scanned[interesting], in_blocks[interesting]
    error = scanned - float32
    rms = np.sqrt([error @ error / max(len(error), 1)])
    return (
        {"scores": float32, "RMS error": np.zeros(1), "blocks": float32},
        {"scores": scanned, "RMS error": rms, "blocks": in_blocks},
    )


def score_maps(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> Iterator[tuple[Scores, Scores, Scores]]:
    """Score maps by the float32 graph, by the scan, and in blocks, of each picture that is large enough for a score."""
    float32 = onnxruntime.InferenceSession(detector_graph(network), providers=["CPUExecutionProvider"])
    exact, scan = partial(compute, float32), partial(compute, session)
    for picture, layout, pyramids in photos(network, pictures):
        features = photo_features(exact, LARGE, picture, layout, pyramids)
        yield (
            map_of_features(exact, LARGE, features),
            scanned_in_strips(scan, picture, layout, pyramids, kind=INT8),
            _in_blocks(scan, features, whole_map(layout)),
        )


def _in_blocks(scan: Compute, features: NDArray[np.float32], whole: Block) -> Scores:
    """The score map, computed in blocks."""
    scores = np.empty(whole.size, np.float32)
    rows, columns = whole.size
    for top, left in product(range(0, rows, BLOCK_SIDE), range(0, columns, BLOCK_SIDE)):
        block = Block(top, left, min(top + BLOCK_SIDE, rows), min(left + BLOCK_SIDE, columns))
        given = features[:, :, *block.field(rows, columns).slices]
        scores[block.slices] = block_in_strips(scan, LARGE, given, block, whole)
    return scores


def tiles(network: Network, pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
    """The scan's input for each picture that is large enough for a score: its whole tile."""
    for picture, layout, pyramids in photos(network, pictures):
        with pyramids.levels(picture, layout) as levels:
            yield byte_rows(levels, layout, 0, layout.rows)


def photos(network: Network, pictures: Sequence[Picture]) -> Iterator[tuple[Picture, Layout, Pyramids]]:
    """Each picture that is large enough for a score, with its layout."""
    with closing(Cores()) as cores:
        pyramids = Pyramids(np.array(detector_facts(network).mean, np.float32), cores)
        for picture in pictures:
            if layout := pyramid.layout(*picture.shape[:2]):
                yield np.ascontiguousarray(picture), layout, pyramids
