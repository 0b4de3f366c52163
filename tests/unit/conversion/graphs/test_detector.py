"""The detector graph and its facts against dlib: whole score maps, and faces of photos."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conversion.dat.layers import Conv
from conversion.dat.read_network import Network, read_network
from conversion.dat.topologies import DETECTOR
from conversion.graphs.builder import folded
from conversion.graphs.detector import detector_facts, detector_graph, padded_to_blocks, trunk_graph
from conversion.validation import reference
from conversion.validation.all_scores import SCORE_OFFSET, with_all_scores_reported
from conversion.validation.comparisons import detections_of_dlib, detections_of_graph
from service.recognition.cnn import pyramid
from service.recognition.cnn import score_map as mmod
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.strips import scores_in_strips
from service.recognition.compute.cores import Cores
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import scenes

CONFIDENCE_TOLERANCE = 1e-5
MAP_TOLERANCE = 3e-5
"""For scores down to -6, with large terms that cancel in float32."""


def _session(network: Network) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(detector_graph(network), providers=["CPUExecutionProvider"])


def test_facts_are_those_of_the_file(detector: Network) -> None:
    facts = detector_facts(detector)
    assert (facts.window_width, facts.window_height) == (80, 80)
    assert (facts.suppression_overlap, facts.suppression_covered) == (0.3382761351109955, 1.0)
    assert (facts.padding, facts.outer_padding) == (pyramid.PADDING, pyramid.OUTER_PADDING)
    assert facts.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-5)


@pytest.mark.slow
def test_faces_and_score_maps_of_photos(
    detector: Network, detector_weights: Path, package_pictures: list[NDArray[np.uint8]]
) -> None:
    small = [np.ascontiguousarray(picture[::3, ::3]) for picture in package_pictures[:12]] + scenes()
    expected = detections_of_dlib(detector_weights, detector, small)
    computed = detections_of_graph(_session(detector), detector, small)
    assert len(expected["faces"]) > 5
    np.testing.assert_array_equal(computed["faces"], expected["faces"])
    np.testing.assert_allclose(
        computed["confidences"], expected["confidences"], rtol=0, atol=CONFIDENCE_TOLERANCE
    )
    assert len(expected["scores"]) > 10_000
    np.testing.assert_allclose(computed["scores"], expected["scores"], rtol=0, atol=MAP_TOLERANCE)


def test_every_score_is_at_its_position(detector: Network, detector_weights: Path, tmp_path: Path) -> None:
    """Dlib's box of each score of a whole map, not only the sorted scores."""
    weights = tmp_path / "all_scores.dat"
    weights.write_bytes(with_all_scores_reported(detector_weights.read_bytes(), detector))
    network = read_network(weights.read_bytes(), DETECTOR)
    picture = scenes()[1][:120, :90].copy()
    expected = reference.detections(weights, [picture])

    facts = detector_facts(network)
    assert (facts.suppression_overlap, facts.suppression_covered) == (1.0, 1.0)
    layout = pyramid.layout(*picture.shape[:2])
    assert layout is not None
    session = _session(network)
    with closing(Cores(1)) as cores:
        scores = scores_in_strips(
            lambda output, given: session.run([output], dict(given))[0],
            picture,
            layout,
            Pyramids(np.array(facts.mean, np.float32), cores),
        )
    assert scores.size == len(expected) > 300
    found = mmod.detections_of_map(scores, layout, detector_window(facts))
    ours = np.array([(*face.rectangle, face.confidence) for face in found])
    ours, dlibs = (rows[np.lexsort(rows[:, [4, 3, 2, 1, 0]].T)] for rows in (ours, expected[:, 1:]))
    np.testing.assert_array_equal(ours[:, :4], dlibs[:, :4])
    np.testing.assert_allclose(ours[:, 4], dlibs[:, 4], rtol=0, atol=MAP_TOLERANCE)


def test_copy_with_all_scores_reported_changes_last_bias_and_suppression_only(
    detector: Network, detector_weights: Path
) -> None:
    copy = read_network(with_all_scores_reported(detector_weights.read_bytes(), detector), DETECTOR)
    last, original = copy.layers[-1], detector.layers[-1]
    assert isinstance(last, Conv)
    assert isinstance(original, Conv)
    np.testing.assert_array_equal(last.weights, original.weights)
    assert last.bias[0] == pytest.approx(original.bias[0] + SCORE_OFFSET, abs=1e-6)
    for ours, theirs in zip(copy.layers[1:-1], detector.layers[1:-1], strict=True):
        assert ours.spec == theirs.spec
        for one, other in zip(getattr(ours, "stored", ()), getattr(theirs, "stored", ()), strict=True):
            np.testing.assert_array_equal(one.values, other.values)


def test_perturbed_network_of_the_same_topology(
    detector: Network,
    detector_weights: Path,
    tmp_path: Path,
    perturb: Callable[[bytes, Network, int], bytes],
) -> None:
    weights = tmp_path / "perturbed.dat"
    weights.write_bytes(perturb(detector_weights.read_bytes(), detector, 3))
    network = read_network(weights.read_bytes(), DETECTOR)
    expected = detections_of_dlib(weights, network, scenes())["scores"]
    computed = detections_of_graph(_session(network), network, scenes())["scores"]
    assert len(expected) > 5_000
    np.testing.assert_allclose(computed, expected, rtol=0, atol=MAP_TOLERANCE)


def test_padding_channels_to_blocks_changes_no_score(detector: Network) -> None:
    unpadded = folded(detector.layers)
    padded = padded_to_blocks(unpadded)
    filters = [layer.spec.filters for layer in padded if isinstance(layer, Conv)]
    assert filters == [16, 32, 32, 48, 48, 48, 1]
    tile = np.random.RandomState(0).uniform(-0.5, 0.5, (2, 3, 123, 87)).astype(np.float32)
    one, other = (_run_both_halves(trunk_graph(layers), tile) for layers in (unpadded, padded))
    assert one.shape == (2, 1, 12, 8)
    np.testing.assert_allclose(one, other, rtol=0, atol=MAP_TOLERANCE)


def _run_both_halves(graph: bytes, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the first half, then the second, each with an empty batch for the other one."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    empty = {"tile": tile[:0], "shrunk_given": np.empty((0, 32, 1, 1), np.float32)}
    (shrunk,) = session.run(["shrunk"], {**empty, "tile": tile})
    scores: NDArray[np.float32] = session.run(["scores"], {**empty, "shrunk_given": shrunk})[0]
    return scores
