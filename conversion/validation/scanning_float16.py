"""The float16 scan: its scores, and those of its emulation, for the comparison with the float32 graph."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from conversion.dat.read_network import Network
from conversion.graphs.detector import detector_graph
from conversion.graphs.emulated_float16 import emulated_scan_graph
from conversion.validation.comparisons import Values, compute
from conversion.validation.scanning import photos
from service.recognition.cnn.scan import MARGIN, SCORE_OF_INTEREST, scanned_in_strips
from service.recognition.cnn.scan_kinds import FLOAT16
from service.recognition.cnn.strips import scores_in_strips
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture

LIMITS: Mapping[str, float] = MappingProxyType({"scores": MARGIN / 24, "rounded": MARGIN / 24})
"""Limits of the values of `scores_of`. Measured in November 2026 on `scanning.pictures`: 0.011 for both.
A device that sums in float16 too was off by 0.023 (WebGPU on Mesa's software Vulkan)."""


def scores_of(
    session: onnxruntime.InferenceSession, network: Network, pictures: Sequence[Picture]
) -> tuple[Values, Values]:
    """Values of the float32 graph and of the scan: `scores` on this CPU, and `rounded` as a device rounds them.

    Both are those of places with a float32 score above SCORE_OF_INTEREST.
    """
    float32, emulated = (
        onnxruntime.InferenceSession(graph(network), providers=["CPUExecutionProvider"])
        for graph in (detector_graph, emulated_scan_graph)
    )
    expected: list[NDArray[np.float32]] = []
    found: tuple[list[NDArray[np.float32]], ...] = ([], [])
    for picture, layout, pyramids in photos(network, pictures):
        scores = scores_in_strips(partial(compute, float32), picture, layout, pyramids)
        interesting = scores > SCORE_OF_INTEREST
        expected.append(scores[interesting])
        for of_graph, graph in zip(found, (session, emulated), strict=True):
            scanned = scanned_in_strips(partial(compute, graph), picture, layout, pyramids, kind=FLOAT16)
            of_graph.append(scanned[interesting])
    values = np.concatenate(expected)
    scanned, rounded = map(np.concatenate, found)
    return {"scores": values, "rounded": values}, {"scores": scanned, "rounded": rounded}
