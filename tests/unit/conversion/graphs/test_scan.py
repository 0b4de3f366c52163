"""The scan's graph: its input, and its features and scores against exact integers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from conversion.dat.layers import Conv
from conversion.dat.read_network import Network
from conversion.graphs import scan
from conversion.graphs.builder import GraphBuilder, Port, folded
from conversion.graphs.detector import BLOCK, padded_to_blocks
from conversion.graphs.quantisation import Int8Conv
from conversion.graphs.scan import float32_head, int8_graph, scan_layers
from conversion.validation.scanning import score_maps, tiles
from service.recognition.cnn import blocks
from service.recognition.cnn.scan_kinds import INT8
from service.recognition.cnn.score_map import HEAD_KERNELS
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import scenes
from tests.unit.conversion.emulated_int8 import score_map, values_of

MEAN = (122.5, 117.25, 104.75)
HALF = 3
"""Layers of the first half."""


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("rows", "columns"), [(60, 44), (61, 45)])
def test_the_first_layer_of_bytes_is_that_of_pixels(detector: Network, rows: int, columns: int) -> None:
    first = next(layer for layer in detector.layers if isinstance(layer, Conv))
    pixels = np.random.RandomState(rows).randint(0, 256, (3, rows, columns))
    tile = ((pixels - np.array(MEAN)[:, None, None]) / 256).astype(np.float32)
    padded = np.pad(pixels, ((0, 0), (0, rows % 2), (0, columns % 2)), constant_values=255)
    cells = [padded[:, top::2, left::2] for top in range(2) for left in range(2)]

    def result(conv: Conv, values: NDArray[np.generic]) -> NDArray[np.float32]:
        builder = GraphBuilder()
        ports = (
            [Port("values", "tensor(float)", values.shape)],
            [Port("result", "tensor(float)", (1, 16, "H", "W"))],
        )
        graph = builder.finish("layer", [builder.conv("values", conv)], *ports)
        computed: NDArray[np.float32] = _session(graph).run(None, {"values": values.astype(np.float32)})[0]
        return computed

    of_bytes = result(scan.of_bytes(first, MEAN), np.concatenate(cells)[np.newaxis])
    np.testing.assert_allclose(of_bytes, result(first, tile[np.newaxis]), rtol=0, atol=1e-4)


def test_blocks_cost_what_the_layers_multiply(detector: Network) -> None:
    first, *others = (layer for layer in padded_to_blocks(folded(detector.layers)) if isinstance(layer, Conv))
    head = [layer.spec for layer in float32_head(detector) if isinstance(layer, Conv)]
    stem = [layer.spec for layer in (first, *others) if layer.spec not in head]
    assert [spec.kernel for spec in head] == list(HEAD_KERNELS)
    # The three layers of the stem have 16, 4 and 1 results at each place of the map.
    expected = sum(
        spec.kernel**2 * spec.channels * spec.filters * number
        for spec, number in zip(stem, (16, 4, 1), strict=True)
    )
    last = head[-1]
    by_rows = last.kernel * last.channels * BLOCK + last.kernel * BLOCK
    layers = [spec.kernel**2 * spec.channels * spec.filters for spec in head[:-1]]
    assert (expected, *layers, by_rows) == blocks.OPERATIONS


def test_features_and_scores_are_those_of_exact_integers(
    detector: Network, int8_layers: list[Int8Conv]
) -> None:
    last = scan_layers(detector)[-1]
    session = _session(int8_graph(int8_layers, float32_head(detector)))
    picture = scenes()[0][:100, :75]
    (tile,) = tiles(detector, [picture])
    (features,) = session.run([scan.FEATURES.name], {**INT8.idle, scan.BYTES.name: tile})
    expected = values_of(int8_layers[:HALF], scan.squares(tile)[0])
    assert len(np.unique(expected)) > 50
    np.testing.assert_array_equal(features[0].transpose(2, 0, 1), expected)

    values = values_of(int8_layers[HALF:], expected, int8_layers[HALF - 1].scale)
    scores = score_map(last, values, int8_layers[-1].scale)
    ((_, scanned, _),) = score_maps(session, detector, [picture])
    np.testing.assert_allclose(scanned, scores, rtol=0, atol=1e-5)
