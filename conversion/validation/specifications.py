"""Table of the exported graphs: topology, ports, compared values and tolerances of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from conversion.dat.read_network import Network
from conversion.dat.topologies import DESCRIPTOR, DETECTOR, Topology
from conversion.graphs import scan, scan_float16
from conversion.graphs.builder import Port
from conversion.graphs.descriptor import CHIPS, DESCRIPTORS, descriptor_graph
from conversion.graphs.detector import FEATURES, GIVEN_FEATURES, SCORES, TILE, detector_facts, detector_graph
from conversion.validation import comparisons, scanning, scanning_float16, user_photos
from conversion.validation.pictures import face_chips
from model_store.manifest import DetectorFacts
from model_store.models import (
    CNN_DETECTOR,
    DLIB_RESNET,
    FLOAT16_SCANNING_DETECTOR,
    SCANNING_DETECTOR,
    TAGUCHI_RESNET,
)
from service.recognition.contract import SCORES_ALLOWED
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture, scenes

Approximation = Callable[
    [onnxruntime.InferenceSession, Network, Sequence[Picture]], tuple[comparisons.Values, comparisons.Values]
]


@dataclass(frozen=True)
class GraphSpecification:
    """Build function and ports of one graph, and its comparison with dlib or with the float32 graph."""

    topology: Topology
    build: Callable[[Network], bytes]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    pictures: Callable[[], list[Picture]]
    """Synthetic pictures for validation."""
    pictures_of_photo: Callable[[Picture], list[Picture]]
    """Pictures for validation from a photo of the user. Raises DlibUnavailableError or DlibError."""
    reference_values: Callable[[Path, Network, Sequence[Picture]], comparisons.Values]
    """Dlib's values, from the weight file. Raises DlibUnavailableError or DlibError."""
    graph_values: Callable[[onnxruntime.InferenceSession, Network, Sequence[Picture]], comparisons.Values]
    """The graph's values, with the same names."""
    tolerance: Mapping[str, float]
    """Upper bound of the absolute difference, by name of the values."""
    approximation: Approximation | None = None
    """For an approximation of the float32 graph, without which the service runs: values of both graphs, which are
    compared instead of dlib's. None for any other graph."""
    facts: Callable[[Network], DetectorFacts] | None = None
    """Facts of a detector for its manifest; None for any other graph."""


_DESCRIPTOR_GRAPH = GraphSpecification(
    topology=DESCRIPTOR,
    build=descriptor_graph,
    inputs=(CHIPS,),
    outputs=(DESCRIPTORS,),
    pictures=face_chips,
    pictures_of_photo=user_photos.face_crops,
    reference_values=comparisons.descriptors_of_dlib,
    graph_values=comparisons.descriptors_of_graph,
    # Values are up to 0.5. Measured: 4e-7 at most, from float32 sums in another order.
    tolerance=MappingProxyType({"batch": 1e-6, "single": 1e-6}),
)
_DETECTOR_GRAPH = GraphSpecification(
    topology=DETECTOR,
    build=detector_graph,
    inputs=(TILE, GIVEN_FEATURES),
    outputs=(FEATURES, SCORES),
    pictures=scenes,
    pictures_of_photo=user_photos.whole_photo,
    reference_values=comparisons.detections_of_dlib,
    graph_values=comparisons.detections_of_graph,
    # Boxes are integers. Largest differences measured: 3e-6 for confidences; for scores 3e-6 against a dlib with
    # OpenBLAS, and 1.3e-5 against dlib's wheels, which sum without BLAS. The latter are at scores near -5, which are
    # sums of larger terms.
    tolerance=MappingProxyType({"faces": 0.0, "confidences": 1e-5, "scores": SCORES_ALLOWED}),
    facts=detector_facts,
)
_SCANNING_GRAPH = replace(
    _DETECTOR_GRAPH,
    build=scanning.calibrated_graph,
    inputs=scan.INPUTS,
    outputs=scan.OUTPUTS,
    pictures=scanning.pictures,
    pictures_of_photo=scanning.with_copies,
    tolerance=scanning.LIMITS,
    approximation=scanning.scores_of,
    facts=scan.scan_facts,
)
_FLOAT16_SCANNING_GRAPH = replace(
    _SCANNING_GRAPH,
    build=scan_float16.float16_graph,
    inputs=scan_float16.INPUTS,
    outputs=scan_float16.OUTPUTS,
    tolerance=scanning_float16.LIMITS,
    approximation=scanning_float16.scores_of,
    facts=scan_float16.scan_facts,
)

SPECIFICATIONS: Mapping[str, GraphSpecification] = MappingProxyType(
    {
        CNN_DETECTOR: _DETECTOR_GRAPH,
        SCANNING_DETECTOR: _SCANNING_GRAPH,
        FLOAT16_SCANNING_DETECTOR: _FLOAT16_SCANNING_GRAPH,
        DLIB_RESNET: _DESCRIPTOR_GRAPH,
        TAGUCHI_RESNET: _DESCRIPTOR_GRAPH,
    }
)
"""Specifications by graph name (model_store.models.GRAPHS)."""
