"""The CNN face detector's scan for the CPU: the two halves of detector.py with layers in int8, except the last layer.

The scan selects the places of the score map whose blocks are rescored in float32 (service/recognition/cnn/scan.py).
Its 9x9 layer, a sixtieth of the work, sums 3,645 products of both signs and stays in float32.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conversion.dat.layers import Conv, ConvSpec
from conversion.dat.read_network import Network
from conversion.graphs import detector
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, folded
from conversion.graphs.detector import detector_facts, padded_to_blocks, run_layers
from conversion.graphs.quantisation import Int8Conv, Statistics, calibrated, quantised
from model_store.manifest import DetectorFacts
from service.recognition.cnn import scan, strips

BYTES = Port(scan.BYTES, "tensor(uint8)", ("N", "H", "W", scan.BYTES_OF_CELL))
FEATURES = Port(scan.SCAN_FEATURES, "tensor(uint8)", ("N", "h", "w", strips.CHANNELS))
GIVEN_FEATURES = Port(scan.GIVEN_SCAN_FEATURES, "tensor(uint8)", ("M", "rows", "columns", strips.CHANNELS))
SCORES = Port(scan.SCANNED, "tensor(float)", ("M", 1, "rows", "columns"))
INPUTS, OUTPUTS = (BYTES, GIVEN_FEATURES), (FEATURES, SCORES)

FORM = (
    *detector.FORM,
    "pixels rounded to bytes, two rows and four columns of them in each cell",
    "the first two layers over pairs of columns",
    "weights of 7 bits and values of 8 bits, except in the last layer",
)
CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Axes of a transposition. ONNX Runtime computes QLinearConv with the channels last, and removes the transpositions."""


def scan_facts(network: Network) -> DetectorFacts:
    """The detector's facts, with this graph's FORM."""
    return replace(detector_facts(network), form=FORM)


def scan_layers(network: Network) -> list[Conv]:
    """The convolutions of the scan in float32, each but the last followed by a ReLU. The input is `squares`."""
    first, *others = (layer for layer in padded_to_blocks(folded(network.layers)) if isinstance(layer, Conv))
    return [of_bytes(first, detector_facts(network).mean), *others]


def of_bytes(conv: Conv, mean: Sequence[float]) -> Conv:
    """The first layer for bytes of 2x2 pixels: normalisation is part of the weights, and the stride of 2 is 1.

    A 5x5 kernel, padded to 6x6, is a 3x3 kernel of 2x2 pixels.
    """
    filters, colours, kernel, _ = conv.weights.shape
    weights = conv.weights.astype(np.float64) / NORMALISATION_SCALE
    bias = conv.bias - weights.sum((2, 3)) @ np.array(mean)
    side = (kernel + 1) // 2
    cells = np.pad(weights, ((0, 0), (0, 0), (0, 1), (0, 1))).reshape(filters, colours, side, 2, side, 2)
    channels = 4 * colours
    return Conv(
        ConvSpec(channels, filters, side, 1, 0),
        cells.transpose(0, 3, 5, 1, 2, 4).reshape(filters, channels, side, side).astype(np.float32),
        bias.astype(np.float32),
        conv.stored,
    )


def scan_graph(network: Network, tiles: Iterable[NDArray[np.uint8]]) -> bytes:
    """Serialised ONNX model: `bytes` to `scan_features`, and `scan_features_given` to `scanned`.

    Args:
        network: the detector.
        tiles: tiles of the calibration pictures in bytes, each an input of the graph.
    """
    *layers, last = scan_layers(network)
    return int8_graph(quantised(layers, scan_statistics(network, tiles)), last)


def scan_statistics(network: Network, tiles: Iterable[NDArray[np.uint8]]) -> list[Statistics]:
    """Statistics of the layers that become int8."""
    return calibrated(scan_layers(network)[:-1], map(squares, tiles))


def squares(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An input of the graph, as squares of two by two pixels, with the channels first."""
    batch, rows, _, channels = tile.shape
    return tile.reshape(batch, rows, -1, channels // 2).transpose(CHANNELS_FIRST)


def over_pairs(first: Int8Conv, second: Int8Conv) -> tuple[Int8Conv, Int8Conv]:
    """The first two layers over pairs of columns, with the same results: their channels are those of two columns.

    ONNX Runtime is slow with few channels. The first layer, 3x3 with a stride of 1, becomes 3x2 with twice the channels
    and filters. The second, 5x5 with a stride of 2, becomes 5x3 with a stride of 2 rows and 1 pair. The added column of
    zero weights costs 1.2 to 1.3 times the products. Time of the first half: 0.70 to 0.80 with AVX-512 VNNI, 0.85 with
    AVX-VNNI, 0.96 to 1.08 with AVX2 (Intel Xeon, Sapphire Rapids, November 2026).
    """
    shifted = [np.pad(first.weights, ((0, 0), (0, 0), (0, 0), (column, 1 - column))) for column in range(2)]
    wider = np.pad(second.weights, ((0, 0), (0, 0), (0, 0), (0, 1)))
    return replace(
        first,
        weights=_pairs_as_channels(np.concatenate(shifted)),
        weight_scales=np.tile(first.weight_scales, 2),
        bias=np.tile(first.bias, 2),
    ), replace(second, weights=_pairs_as_channels(wider))


def _pairs_as_channels(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Shape (filters, channels, rows, columns) to (filters, 2 channels, rows, columns / 2)."""
    filters, channels, rows, columns = weights.shape
    pairs = weights.reshape(filters, channels, rows, columns // 2, 2)
    return pairs.transpose(0, 4, 1, 2, 3).reshape(filters, 2 * channels, rows, columns // 2)


def int8_graph(layers: Sequence[Int8Conv], last: Conv) -> bytes:
    """The serialised model from its int8 layers over `squares`, and the last one in float32."""
    layers = [*over_pairs(*layers[:2]), *layers[2:]]
    strides = [[conv.spec.stride] * 2 for conv in layers]
    strides[1][1] = 1  # of pairs
    builder = GraphBuilder()
    zero = builder.constant(np.array(0, np.uint8))
    scales = [
        builder.constant(np.array(scale, np.float32)) for scale in (1, *(conv.scale for conv in layers))
    ]

    def half(value: str, begin: int, end: int) -> str:
        value = builder.node("Transpose", value, perm=CHANNELS_FIRST)
        for number in range(begin, end):
            value = _int8(
                builder, value, layers[number], strides[number], zero, scales[number], scales[number + 1]
            )
        return value

    # The first half ends with the last layer that downsamples.
    end = 1 + max(number for number, conv in enumerate(layers) if conv.spec.stride > 1)
    features = builder.node("Transpose", half(BYTES.name, 0, end), perm=CHANNELS_LAST)
    values = half(GIVEN_FEATURES.name, end, len(layers))
    scores = run_layers(builder, builder.node("DequantizeLinear", values, scales[-1], zero), [last])
    return builder.finish("face_detector_scan", [features, scores], INPUTS, OUTPUTS)


def _int8(
    builder: GraphBuilder,
    value: str,
    conv: Int8Conv,
    strides: Sequence[int],
    zero: str,
    scale: str,
    output_scale: str,
) -> str:
    """A convolution and its ReLU, since the output's type has no values below zero."""
    return builder.node(
        "QLinearConv",
        value,
        scale,
        zero,
        builder.constant(conv.weights),
        builder.constant(conv.weight_scales),
        builder.constant(np.zeros(len(conv.weights), np.int8)),
        output_scale,
        zero,
        builder.constant(conv.bias),
        kernel_shape=list(conv.weights.shape[2:]),
        strides=list(strides),
        pads=[conv.spec.padding] * 4,
    )
