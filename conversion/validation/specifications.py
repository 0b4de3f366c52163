"""The graphs that this room makes, each with what it has to be: its ports, its proof, its tolerances."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from conversion.dat.read_network import Network
from conversion.dat.topologies import DESCRIPTOR, DETECTOR, Topology
from conversion.graphs import rescored
from conversion.graphs.builder import Port
from conversion.graphs.descriptor import CHIPS, DESCRIPTORS, descriptor_graph
from conversion.graphs.detector import SCORES, SHRUNK, SHRUNK_GIVEN, TILE, detector_facts, detector_graph
from conversion.graphs.device import ABOVE, AT, MAP, PHOTOS, TABLES, device_facts, device_graph
from conversion.validation import photos, proofs
from conversion.validation.pictures import Picture, face_chips, scenes
from model_store.manifest import DetectorFacts
from model_store.models import (
    CNN_DETECTOR,
    DEVICE_DETECTOR,
    DLIB_RESNET,
    RESCORED_DETECTOR,
    TAGUCHI_RESNET,
)
from service.recognition.cnn.rescoring import MEASURED_SHARE, SLACK
from service.recognition.ort.runtime import onnxruntime


@dataclass(frozen=True)
class GraphDescription:
    """One kind of graph."""

    topology: Topology
    build: Callable[[Network], bytes]
    given: tuple[Port, ...]
    made: tuple[Port, ...]
    pictures: Callable[[], list[Picture]]
    """What it is always proven on."""
    from_photo: Callable[[Picture], list[Picture]]
    """What it is proven on besides, of a photo that a user names. Raises as `expected`."""
    expected: Callable[[Path, Network, Sequence[Picture]], proofs.Values]
    """dlib's values, from the weight file. Raises DlibUnavailableError or DlibError."""
    computed: Callable[[onnxruntime.InferenceSession, Network, Sequence[Picture]], proofs.Values]
    """The graph's values, under the same names."""
    tolerance: Mapping[str, float]
    """Largest absolute difference allowed, by the name of the values."""
    facts: Callable[[Network], DetectorFacts] | None = None


_DESCRIPTOR_GRAPH = GraphDescription(
    topology=DESCRIPTOR,
    build=descriptor_graph,
    given=(CHIPS,),
    made=(DESCRIPTORS,),
    pictures=face_chips,
    from_photo=photos.faces_of,
    expected=proofs.descriptors_of_dlib,
    computed=proofs.descriptors_of_graph,
    # Values are up to 0.5; float32 sums in another order differ by 4e-7 at most (measured).
    tolerance=MappingProxyType({"batch": 1e-6, "single": 1e-6}),
)
_DETECTOR_GRAPH = GraphDescription(
    topology=DETECTOR,
    build=detector_graph,
    given=(TILE, SHRUNK_GIVEN),
    made=(SHRUNK, SCORES),
    pictures=scenes,
    from_photo=photos.scene_of,
    expected=proofs.detections_of_dlib,
    computed=proofs.detections_of_graph,
    # Boxes are whole numbers. Measured: faces 3e-6. The whole map 1.3e-5 against dlib's wheels, at scores near -5,
    # whose larger terms they sum without BLAS; 3e-6 against a dlib with OpenBLAS.
    tolerance=MappingProxyType({"faces": 0.0, "confidences": 1e-5, "scores": 3e-5}),
    facts=detector_facts,
)
_DEVICE_GRAPH = replace(
    _DETECTOR_GRAPH,
    build=device_graph,
    given=(PHOTOS, *TABLES),
    made=(AT, ABOVE, MAP),
    computed=proofs.detections_of_device_graph,
    facts=device_facts,
)
_RESCORED_GRAPH = replace(
    _DETECTOR_GRAPH,
    build=rescored.rescored_graph,
    given=rescored.GIVEN,
    made=rescored.MADE,
    computed=proofs.detections_of_rescored_graph,
    facts=rescored.rescored_facts,
    # The scores are the scan's, each at its place: their error is what the slack has to cover.
    tolerance=MappingProxyType({"faces": 0.0, "confidences": 1e-5, "scores": SLACK * MEASURED_SHARE}),
)

GRAPHS: Mapping[str, GraphDescription] = MappingProxyType(
    {
        CNN_DETECTOR: _DETECTOR_GRAPH,
        DEVICE_DETECTOR: _DEVICE_GRAPH,
        RESCORED_DETECTOR: _RESCORED_GRAPH,
        DLIB_RESNET: _DESCRIPTOR_GRAPH,
        TAGUCHI_RESNET: _DESCRIPTOR_GRAPH,
    }
)
"""By catalogue name, or as models.py names another graph of the same weights. The landmark predictors are no networks:
landmarks.py."""
