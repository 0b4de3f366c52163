"""The CNN face detector's scan for a CPU: stem and head in int8, and a head in float32 for blocks.

The scan selects the places of the score map whose blocks are rescored in float32 (service/recognition/cnn/scan.py).
Its 9x9 layer, a fortieth of the work, sums 3,645 products of both signs and stays in float32.

A block of the map depends on ten features around it, for which the head of detector.py would compute scores of no use.
In the head for blocks each layer computes only what the block depends on: 0.43 of the multiplications for a block of
five by five scores. Both read features of detector.py's stem.

The three parts are not connected. They are in one graph to share threads and buffers; a run computes one part, and has
empty batches as the inputs of the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from conversion.dat.layers import Conv, ConvSpec, Layer
from conversion.dat.read_network import Network
from conversion.graphs import detector
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, folded
from conversion.graphs.detector import detector_facts, halves, padded_to_blocks, run_layers
from conversion.graphs.quantisation import Int8Conv, Statistics, calibrated, quantised
from model_store.manifest import DetectorFacts
from service.recognition.cnn import scan, scan_kinds, score_map, strips

Number = TypeVar("Number", np.int8, np.float16, np.float32)
"""Of weights."""

BYTES = Port(scan.BYTES, "tensor(uint8)", ("N", "H", "W", scan.BYTES_OF_CELL))
FEATURES = Port(scan.SCAN_FEATURES, "tensor(uint8)", ("N", "h", "w", strips.CHANNELS))
GIVEN_FEATURES = Port(scan.GIVEN_SCAN_FEATURES, "tensor(uint8)", ("M", "rows", "columns", strips.CHANNELS))
SCORES = Port(scan.SCANNED, "tensor(float)", ("M", 1, "rows", "columns"))
BLOCK_FEATURES = Port(
    scan_kinds.BLOCK_FEATURES, "tensor(float)", ("B", strips.CHANNELS, "field_rows", "field_columns")
)
BLOCK_PADDING = Port(scan_kinds.BLOCK_PADDING, "tensor(int64)", ("B", len(score_map.HEAD_KERNELS), 8))
BLOCK_SCORES = Port(scan_kinds.BLOCK_SCORES, "tensor(float)", ("B", 1, "block_rows", "block_columns"))
INPUTS = (BYTES, GIVEN_FEATURES, BLOCK_FEATURES, BLOCK_PADDING)
OUTPUTS = (FEATURES, SCORES, BLOCK_SCORES)

FORM = (
    "stem and head, of which the caller runs the first over strips",
    *detector.NETWORK_FORM,
    "pixels rounded to bytes, two rows and four columns of them in each cell",
    "the first two layers over pairs of columns",
    "weights of 7 bits and values of 8 bits, except in the last layer",
    "the head in float32 too, for blocks",
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
    kernels = np.pad(weights, ((0, 0), (0, 0), (0, 1), (0, 1))).reshape(filters, colours, side, 2, side, 2)
    channels = 4 * colours
    return Conv(
        ConvSpec(channels, filters, side, 1, 0),
        kernels.transpose(0, 3, 5, 1, 2, 4).reshape(filters, channels, side, side).astype(np.float32),
        bias.astype(np.float32),
        conv.stored,
    )


def float32_head(network: Network) -> Sequence[Layer]:
    """The head in float32, for blocks: the layers of detector.py's second half."""
    return halves(padded_to_blocks(folded(network.layers)))[1]


def scan_graph(network: Network, tiles: Iterable[NDArray[np.uint8]]) -> bytes:
    """Serialised ONNX model of the three parts.

    Args:
        network: the detector.
        tiles: tiles of the calibration pictures in bytes, each an input of the graph.
    """
    inner = scan_layers(network)[:-1]
    return int8_graph(quantised(inner, scan_statistics(network, tiles)), float32_head(network))


def scan_statistics(network: Network, tiles: Iterable[NDArray[np.uint8]]) -> list[Statistics]:
    """Statistics of the layers that become int8."""
    return calibrated(scan_layers(network)[:-1], map(squares, tiles))


def squares(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An input of the graph, as squares of two by two pixels: uint8, shape (batch, 12, rows / 2, columns / 2)."""
    batch, rows, _, channels = tile.shape
    return tile.reshape(batch, rows, -1, channels // 2).transpose(CHANNELS_FIRST)


def over_pairs(first: Int8Conv, second: Int8Conv) -> tuple[Int8Conv, Int8Conv]:
    """The first two layers over pairs of columns, with the same results: their channels are those of two columns.

    ONNX Runtime is slow with few channels. The first layer, 3x3 with a stride of 1, becomes 3x2 with twice the channels
    and filters. The second, 5x5 with a stride of 2, becomes 5x3 with a stride of 2 rows and 1 pair. The added column of
    zero weights costs 4/3 and 6/5 of the products. Measured for the stem with one and two threads, 1.2 megapixels:
    0.70 and 0.75 of the time with AVX-512 VNNI, 0.85 and 0.87 with AVX-VNNI; with AVX2 0.96 and 1.08, within the noise
    of 1 (Intel Xeon, Sapphire Rapids, November 2026).
    """
    of_first, of_second = weights_over_pairs(first.weights, second.weights)
    return replace(
        first,
        weights=of_first,
        weight_scales=np.tile(first.weight_scales, 2),
        bias=np.tile(first.bias, 2),
    ), replace(second, weights=of_second, strides=(second.strides[0], 1))


def weights_over_pairs(
    first: NDArray[Number], second: NDArray[Number]
) -> tuple[NDArray[Number], NDArray[Number]]:
    """Weights of the first two layers over pairs of columns, for `over_pairs`."""
    shifted = [np.pad(first, ((0, 0), (0, 0), (0, 0), (column, 1 - column))) for column in range(2)]
    wider = np.pad(second, ((0, 0), (0, 0), (0, 0), (0, 1)))
    return _pairs_as_channels(np.concatenate(shifted)), _pairs_as_channels(wider)


def _pairs_as_channels(weights: NDArray[Number]) -> NDArray[Number]:
    """Shape (filters, channels, rows, columns) to (filters, 2 channels, rows, columns / 2)."""
    filters, channels, rows, columns = weights.shape
    pairs = weights.reshape(filters, channels, rows, columns // 2, 2)
    return pairs.transpose(0, 4, 1, 2, 3).reshape(filters, 2 * channels, rows, columns // 2)


def int8_graph(layers: Sequence[Int8Conv], head: Sequence[Layer]) -> bytes:
    """The serialised model.

    Args:
        layers: the layers in int8, the first of which reads `squares`.
        head: `float32_head`, whose last layer is that of the scan, too.
    """
    builder = GraphBuilder()
    zero = builder.constant(np.array(0, np.uint8))
    scales = [
        builder.constant(np.array(scale, np.float32)) for scale in (1, *(conv.scale for conv in layers))
    ]
    in_graph = [*over_pairs(*layers[:2]), *layers[2:]]

    def part(value: str, begin: int, end: int) -> str:
        value = builder.node("Transpose", value, perm=CHANNELS_FIRST)
        for number in range(begin, end):
            value = _int8(builder, value, in_graph[number], zero, scales[number], scales[number + 1])
        return value

    # The stem ends with the last layer that downsamples.
    end = 1 + max(number for number, conv in enumerate(layers) if conv.strides[0] > 1)
    features = builder.node("Transpose", part(BYTES.name, 0, end), perm=CHANNELS_LAST)
    values = builder.node("DequantizeLinear", part(GIVEN_FEATURES.name, end, len(layers)), scales[-1], zero)
    scores = run_layers(builder, values, head[-1:])
    return builder.finish(
        "face_detector_scan", [features, scores, _block_scores(builder, head)], INPUTS, OUTPUTS
    )


def _block_scores(builder: GraphBuilder, head: Sequence[Layer]) -> str:
    """Append the float32 head for blocks: each layer pads its input by BLOCK_PADDING, not on all sides."""
    # Zeros take the place of an empty batch.
    zeros = builder.constant(np.zeros((1, len(score_map.HEAD_KERNELS), 8), np.int64))
    with_zeros = builder.node("Concat", BLOCK_PADDING.name, zeros, axis=0)
    padding = builder.node("Gather", with_zeros, builder.constant(np.array(0)))
    value = BLOCK_FEATURES.name
    convolutions = 0
    for layer in head:
        if isinstance(layer, Conv):
            of_layer = builder.node("Gather", padding, builder.constant(np.array(convolutions)))
            value = builder.node("Pad", value, of_layer)
            layer = replace(layer, spec=replace(layer.spec, padding=0))
            convolutions += 1
        value = run_layers(builder, value, [layer])
    return value


def _int8(builder: GraphBuilder, value: str, conv: Int8Conv, zero: str, scale: str, output_scale: str) -> str:
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
        strides=list(conv.strides),
        pads=[conv.padding] * 4,
    )
