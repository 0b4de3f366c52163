"""Validation rejects graphs with other ports than specified, or with a fault in one step of the conversion."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conversion.dat.layers import Affine, Conv, FullyConnected, Input, Layer
from conversion.dat.read_network import Network
from conversion.export import export
from conversion.graphs.builder import Port, folded
from conversion.graphs.descriptor import network_graph
from conversion.graphs.detector import FEATURES, GIVEN_FEATURES, SCORES, TILE, padded_to_blocks, trunk_graph
from conversion.validation import recorded
from conversion.validation.pictures import face_chips, fingerprint
from conversion.validation.reference import DlibError
from conversion.validation.specifications import SPECIFICATIONS, GraphSpecification
from conversion.validation.validate import (
    NameMismatchError,
    NoReferenceError,
    ShapeMismatchError,
    ValueMismatchError,
    check_ports,
    compare,
)
from model_store import manifest
from model_store.models import CNN_DETECTOR, DLIB_RESNET, TAGUCHI_RESNET
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import scenes

Fault = Callable[[Sequence[Layer]], list[Layer]]


def _wrong_mean(layers: Sequence[Layer]) -> list[Layer]:
    """ImageNet's mean, 1.1 from dlib's."""
    first = layers[0]
    assert isinstance(first, Input)
    return [replace(first, mean=(123.68, 116.78, 103.94)), *layers[1:]]


def _bgr(layers: Sequence[Layer]) -> list[Layer]:
    first = layers[1]
    assert isinstance(first, Conv)
    return [layers[0], replace(first, weights=first.weights[:, ::-1]), *layers[2:]]


def _affine_dropped(layers: Sequence[Layer]) -> list[Layer]:
    """The last affine layer is dropped instead of folded."""
    last = max(index for index, layer in enumerate(layers) if isinstance(layer, Affine))
    return [layer for index, layer in enumerate(layers) if index != last]


def _beta_dropped(layers: Sequence[Layer]) -> list[Layer]:
    last = max(index for index, layer in enumerate(layers) if isinstance(layer, Affine))
    affine = layers[last]
    assert isinstance(affine, Affine)
    return [
        *layers[:last],
        replace(affine, beta=np.zeros_like(affine.beta)),
        *layers[last + 1 :],
    ]


def _mirrored_kernel(layers: Sequence[Layer]) -> list[Layer]:
    """One layer with a flipped kernel: convolution instead of the correlation of dlib and ONNX."""
    third = [index for index, layer in enumerate(layers) if isinstance(layer, Conv)][2]
    conv = layers[third]
    assert isinstance(conv, Conv)
    flipped = replace(conv, weights=conv.weights[:, :, :, ::-1])
    return [*layers[:third], flipped, *layers[third + 1 :]]


def _built(name: str, fault: Fault) -> Callable[[Network], bytes]:
    def build(network: Network) -> bytes:
        layers = folded(fault(network.layers))
        return trunk_graph(padded_to_blocks(layers)) if name == CNN_DETECTOR else network_graph(layers)

    return build


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (DLIB_RESNET, _wrong_mean),  # the mean is not part of the detector graph
        (DLIB_RESNET, _bgr),
        *((CNN_DETECTOR, fault) for fault in (_bgr, _affine_dropped, _beta_dropped, _mirrored_kernel)),
        *(
            pytest.param(DLIB_RESNET, fault, marks=pytest.mark.slow)
            for fault in (_affine_dropped, _beta_dropped, _mirrored_kernel)
        ),
    ],
)
def test_fault_in_one_step_fails_the_export_and_writes_no_file(
    name: str, fault: Fault, tmp_path: Path, descriptor_weights: Path, detector_weights: Path
) -> None:
    weights = detector_weights if name == CNN_DETECTOR else descriptor_weights
    faulty = replace(SPECIFICATIONS[name], build=_built(name, fault))
    with pytest.raises(ValueMismatchError, match=r"away from recorded values of dlib|the graph gives"):
        export(tmp_path, name, weights, specification=faulty)
    assert not (tmp_path / "onnx").exists()


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize("name", [CNN_DETECTOR, DLIB_RESNET])
def test_same_steps_without_fault_pass(
    name: str, tmp_path: Path, descriptor_weights: Path, detector_weights: Path
) -> None:
    weights = detector_weights if name == CNN_DETECTOR else descriptor_weights
    sound = replace(SPECIFICATIONS[name], build=_built(name, list))
    assert export(tmp_path, name, weights, specification=sound) == manifest.load(tmp_path, name)


def test_fault_fails_against_dlib_too(tmp_path: Path, detector_weights: Path) -> None:
    faulty = replace(SPECIFICATIONS[CNN_DETECTOR], build=_built(CNN_DETECTOR, _bgr))
    with pytest.raises(ValueMismatchError, match="away from dlib"):
        export(tmp_path, CNN_DETECTOR, detector_weights, specification=faulty)
    assert not (tmp_path / "onnx").exists()


@pytest.fixture(scope="module")
def session(detector: Network) -> onnxruntime.InferenceSession:
    graph = SPECIFICATIONS[CNN_DETECTOR].build(detector)
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"inputs": (TILE,)}, NameMismatchError, r"\['tile', 'shrunk_given'\]"),
        ({"inputs": (replace(TILE, name="image"), GIVEN_FEATURES)}, NameMismatchError, r"\['tile', "),
        ({"outputs": (FEATURES, replace(SCORES, name="score"))}, NameMismatchError, r"'scores'\]"),
        ({"inputs": (replace(TILE, type="tensor(uint8)"), GIVEN_FEATURES)}, ShapeMismatchError, "uint8"),
        (
            {"outputs": (FEATURES, replace(SCORES, shape=(1, 1, "rows", "columns")))},
            ShapeMismatchError,
            "specified as",
        ),
    ],
)
def test_names_and_shapes_have_separate_errors(
    session: onnxruntime.InferenceSession,
    changes: dict[str, tuple[Port, ...]],
    error: type[Exception],
    message: str,
) -> None:
    specification: GraphSpecification = SPECIFICATIONS[CNN_DETECTOR]
    check_ports(session, specification)
    with pytest.raises(error, match=message):
        check_ports(session, replace(specification, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("computed", "message"),
    [
        (np.array([1.0, 2.1]), "0.1 away from dlib, 0.01 is allowed"),
        (np.array([1.0, np.nan]), "nan away from dlib"),
        (np.array([1.0]), r"the graph gives \(1,\) values, dlib \(2,\)"),
    ],
)
def test_rejects_values_of_another_number_or_beyond_tolerance(computed: np.ndarray, message: str) -> None:
    expected = {"values": np.array([1.0, 2.0])}
    assert compare(expected, {"values": np.array([1.0, 2.005])}, {"values": 0.01})["values"] < 0.006
    with pytest.raises(ValueMismatchError, match=message):
        compare(expected, {"values": computed}, {"values": 0.01})


def test_rejects_a_comparison_of_no_values() -> None:
    with pytest.raises(ValueMismatchError, match="dlib gave no value"):
        compare({"values": np.empty(0)}, {"values": np.empty(0)}, {"values": 1.0})


@pytest.mark.parametrize("machine", ["without_dlib", "without_avx"])
def test_without_dlib_validates_against_recorded_values(
    machine: str, request: pytest.FixtureRequest, tmp_path: Path, detector_weights: Path
) -> None:
    request.getfixturevalue(machine)
    written = export(tmp_path, CNN_DETECTOR, detector_weights)
    assert written.validation.reference == "recorded values of dlib 20.0.1"
    assert manifest.load(tmp_path, CNN_DETECTOR) == written


@pytest.mark.usefixtures("without_dlib")
def test_without_dlib_other_weights_have_no_reference(
    tmp_path: Path,
    descriptor: Network,
    descriptor_weights: Path,
    perturb: Callable[[bytes, Network, int], bytes],
) -> None:
    weights = tmp_path / "weights.dat"
    weights.write_bytes(perturb(descriptor_weights.read_bytes(), descriptor, 1))
    with pytest.raises(NoReferenceError, match="no values are recorded for these weights of taguchi"):
        export(tmp_path, TAGUCHI_RESNET, weights)
    with pytest.raises(NoReferenceError, match="no values are recorded for these weights of dlib_face"):
        export(tmp_path, DLIB_RESNET, weights)
    assert not (tmp_path / "onnx").exists()


@pytest.mark.usefixtures("without_dlib")
def test_without_dlib_photos_have_no_reference(tmp_path: Path, detector_weights: Path) -> None:
    with pytest.raises(NoReferenceError, match="photos can be compared with dlib only"):
        export(tmp_path, CNN_DETECTOR, detector_weights, photos=scenes()[:1])


def test_weights_that_dlib_rejects_are_not_converted(tmp_path: Path, detector_weights: Path) -> None:
    """The file is replaced after it was read, so that dlib and not the reader rejects it."""
    weights = tmp_path / "weights.dat"
    weights.write_bytes(detector_weights.read_bytes())

    def replaced(network: Network) -> bytes:
        weights.write_bytes(b"replaced")
        return SPECIFICATIONS[CNN_DETECTOR].build(network)

    with pytest.raises(DlibError, match="dlib failed with status 1"):
        export(
            tmp_path,
            CNN_DETECTOR,
            weights,
            specification=replace(SPECIFICATIONS[CNN_DETECTOR], build=replaced),
        )
    assert not (tmp_path / "onnx").exists()


def test_recorded_values_belong_to_the_synthetic_pictures(descriptor: Network, detector: Network) -> None:
    assert recorded.load(DLIB_RESNET, descriptor, face_chips()).dlib == "20.0.1"
    assert len(recorded.load(CNN_DETECTOR, detector, scenes()).values["faces"]) == 4
    assert fingerprint(face_chips()) != fingerprint(scenes())
    with pytest.raises(recorded.NoRecordError, match="of other pictures"):
        recorded.load(CNN_DETECTOR, detector, scenes()[:2])


def test_saves_and_loads_recorded_values(detector: Network, tmp_path: Path) -> None:
    values = {"scores": np.array([1.0, 2.0], np.float32)}
    recorded.save(CNN_DETECTOR, detector, scenes(), recorded.Record("1.2.3", values), tmp_path)
    found = recorded.load(CNN_DETECTOR, detector, scenes(), tmp_path)
    assert found.dlib == "1.2.3"
    np.testing.assert_array_equal(found.values["scores"], values["scores"])


def test_rejects_an_affine_layer_without_a_convolution_before_it(descriptor: Network) -> None:
    with pytest.raises(TypeError, match="not a convolution"):
        folded([layer for layer in descriptor.layers if not isinstance(layer, Conv | FullyConnected)])
