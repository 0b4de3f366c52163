"""Validation of the int8 scan: faults that raise the errors of scores, and real photos."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.harness.corpus import photos_in
from conversion.dat.layers import Conv
from conversion.dat.read_network import Network, read_network
from conversion.dat.topologies import DETECTOR
from conversion.export import export
from conversion.graphs import quantisation
from conversion.graphs.quantisation import LARGEST_WEIGHT, Int8Conv, Statistics, quantised
from conversion.graphs.scan import float32_head, int8_graph, scan_layers, squares
from conversion.validation.distortions import DISTORTIONS, distorted_copies
from conversion.validation.pictures import face_chips
from conversion.validation.scanning import LIMITS, calibrated_graph, score_maps, scores_of, tiles, with_copies
from conversion.validation.specifications import SPECIFICATIONS
from conversion.validation.validate import ValueMismatchError, compare
from model_store import manifest
from model_store.models import SCANNING_DETECTOR
from service.recognition.cnn.scan import SCORE_OF_INTEREST
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import Picture, draw_face, scenes
from tests.unit.conversion.emulated_int8 import score_map, values_of

SOURCE = "the float32 graph"
ALL_BITS = 127
"""Largest weight of 8 bits."""


def _errors(graph: bytes | Path, detector: Network, pictures: Sequence[Picture]) -> dict[str, float]:
    """The largest errors of this graph. Raises ValueMismatchError if one is above its limit."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return compare(*scores_of(session, detector, pictures), LIMITS, SOURCE)


def _validated(detector: Network, layers: Sequence[Int8Conv]) -> dict[str, float]:
    return _errors(int8_graph(layers, float32_head(detector)), detector, face_chips())


def _changed(layers: Sequence[Int8Conv], number: int, layer: Int8Conv) -> list[Int8Conv]:
    return [*layers[:number], layer, *layers[number + 1 :]]


def _with_half_the_range(layers: Sequence[Int8Conv], number: int) -> list[Int8Conv]:
    """Layers of which one clips its values at half of their range."""
    changed = _changed(layers, number, replace(layers[number], scale=layers[number].scale / 2))
    for following in changed[number + 1 : number + 2]:
        # The unit of its bias is half as large too.
        changed[number + 1] = replace(following, bias=following.bias * 2)
    return changed


def test_sound_layers_pass(detector: Network, int8_layers: list[Int8Conv]) -> None:
    errors = _validated(detector, int8_layers)
    assert 0.005 < errors["RMS error"] < errors["scores"]


@pytest.mark.not_quick
def test_a_scan_of_other_weights_passes(
    detector: Network, detector_weights: Path, perturb: Callable[[bytes, Network, int], bytes]
) -> None:
    other = read_network(perturb(detector_weights.read_bytes(), detector, 3), DETECTOR)
    assert _errors(calibrated_graph(other), other, face_chips())["scores"] > 0.01


@pytest.mark.parametrize(
    ("number", "channel"),
    [
        (0, 0),
        pytest.param(2, 3, marks=pytest.mark.slow),
        (3, 33),
        pytest.param(5, 0, marks=pytest.mark.slow),
    ],
)
def test_a_wrong_scale_of_one_channel_fails(
    number: int, channel: int, detector: Network, int8_layers: list[Int8Conv]
) -> None:
    scales = int8_layers[number].weight_scales.copy()
    scales[channel] *= 1.5
    faulty = replace(int8_layers[number], weight_scales=scales)
    with pytest.raises(ValueMismatchError, match=f"away from {SOURCE}"):
        _validated(detector, _changed(int8_layers, number, faulty))


def test_a_fault_of_the_head_for_blocks_fails(detector: Network, int8_layers: list[Int8Conv]) -> None:
    *head, last = float32_head(detector)
    assert isinstance(last, Conv)
    graph = int8_graph(int8_layers, [*head, replace(last, bias=last.bias + np.float32(1e-4))])
    with pytest.raises(ValueMismatchError, match=r"blocks: 0\.0001 away from"):
        _errors(graph, detector, face_chips()[:2])


@pytest.mark.parametrize("number", [0, 5])
def test_a_range_that_is_too_small_fails(number: int, detector: Network, int8_layers: list[Int8Conv]) -> None:
    with pytest.raises(ValueMismatchError, match=f"away from {SOURCE}"):
        _validated(detector, _with_half_the_range(int8_layers, number))


@pytest.mark.parametrize(("largest_weight", "saturates"), [(LARGEST_WEIGHT, False), (ALL_BITS, True)])
def test_weights_of_8_bits_saturate_without_vnni_and_fail(
    largest_weight: int,
    saturates: bool,
    detector: Network,
    scan_statistics_of_scenes: list[Statistics],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quantisation, "LARGEST_WEIGHT", largest_weight)
    *inner, last = scan_layers(detector)
    layers = quantised(inner, scan_statistics_of_scenes)
    face = np.full((90, 90, 3), (90, 110, 130), np.uint8)
    draw_face(face, (45, 45), 80, 0)
    (tile,) = tiles(detector, [face])
    session = onnxruntime.InferenceSession(
        int8_graph(layers, float32_head(detector)), providers=["CPUExecutionProvider"]
    )
    ((expected, *_),) = score_maps(session, detector, [face])
    computed = score_map(last, values_of(layers, squares(tile)[0], saturating=True), layers[-1].scale)
    error = np.abs(computed - expected)[expected > SCORE_OF_INTEREST].max()
    assert (error > LIMITS["scores"]) == saturates


@pytest.mark.usefixtures("without_dlib")
def test_a_faulty_graph_is_not_written(
    tmp_path: Path, detector_weights: Path, int8_layers: list[Int8Conv]
) -> None:
    layers = _with_half_the_range(int8_layers, 0)

    def built(network: Network) -> bytes:
        return int8_graph(layers, float32_head(network))

    # The chips alone reveal the fault.
    faulty = replace(SPECIFICATIONS[SCANNING_DETECTOR], build=built, pictures=face_chips)
    with pytest.raises(ValueMismatchError, match=r"scores: .* away from"):
        export(tmp_path, SCANNING_DETECTOR, detector_weights, specification=faulty)
    assert not (tmp_path / "onnx").exists()


def test_the_manifest_has_the_errors(store: Path) -> None:
    validation = manifest.load(store, SCANNING_DETECTOR).validation
    assert validation.reference == SOURCE
    for name, limit in LIMITS.items():
        assert validation.largest_difference[name] <= validation.tolerance[name] == limit
        assert validation.largest_difference[name] > 0 or name == "blocks"


def _small(photo: Image.Image, side: int) -> Picture:
    """At most `side` pixels high and wide."""
    small = photo.copy()
    small.thumbnail((side, side))
    return np.asarray(small)


@pytest.mark.parametrize("side", [400, pytest.param(600, marks=pytest.mark.slow)])
def test_photos_that_the_calibration_has_not_seen(
    side: int, store: Path, detector: Network, package_pictures: list[NDArray[np.uint8]]
) -> None:
    pictures = [_small(Image.fromarray(picture), side) for picture in package_pictures]
    errors = _errors(manifest.graph_path(store, SCANNING_DETECTOR), detector, pictures)
    assert errors["scores"] > 0.01


@pytest.mark.slow
def test_photos_of_a_folder_and_their_copies(store: Path, detector: Network, photo_folder: Path) -> None:
    pictures = []
    for photo in photos_in(photo_folder / "dev"):
        with Image.open(photo) as image:
            pictures.append(_small(image.convert("RGB"), 400))
    _errors(manifest.graph_path(store, SCANNING_DETECTOR), detector, with_copies(*pictures))


def test_distorted_copies_differ_from_the_picture_and_are_equal_every_time() -> None:
    picture = scenes()[1]
    copies = distorted_copies([picture])
    assert len(copies) == len(DISTORTIONS)
    for copy, again in zip(copies, distorted_copies([picture]), strict=True):
        assert copy.shape[2] == 3
        assert not np.array_equal(copy, picture)
        np.testing.assert_array_equal(copy, again)
