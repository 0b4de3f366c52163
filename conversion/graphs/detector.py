"""The CNN face detector as an ONNX graph of two halves, and the facts that decode its scores.

The first half shrinks the tile by eight, the second scores what is left. They are not connected: the caller runs
the first over strips of the tile, of which only the shrunk rows are kept, and the second over those. Memory is
bounded so, and no row is computed twice, where strips of the undivided network overlap by 181 rows. In one file,
so that they share threads and buffers; the half that has nothing to do is given an empty batch.
"""

from collections.abc import Sequence

import numpy as np

from conversion.dat.layers import Conv, ConvSpec, Input, Layer, Relu
from conversion.dat.read_network import Network
from conversion.graphs.builder import GraphBuilder, Port, folded
from conversion.graphs.precision import FLOAT32, Precision
from model_store.manifest import DetectorFacts

TILE = Port("tile", "tensor(float)", ("N", 3, "H", "W"))
"""Rows of a tiled pyramid, RGB: (pixel - mean) / 256, normalised before it is resampled, as dlib does. Gaps: 0."""
SHRUNK = Port("shrunk", "tensor(float)", ("N", 32, "h", "w"))
"""Row r of it sees the rows 8 r to 8 r + 28 of the tile."""
SHRUNK_GIVEN = Port("shrunk_given", "tensor(float)", ("M", 32, "rows", "columns"))
SCORES = Port("scores", "tensor(float)", ("M", 1, "rows", "columns"))
"""Score (row, column) belongs to tile pixel (8 row + 14, 8 column + 14), and sees 10 rows above and below."""

PYRAMID_RATE = 6
"""input_rgb_image_pyramid<pyramid_down<6>>, a type and so not in the file (cnn_face_detector.cpp)."""
THRESHOLD = 0.0
"""adjust_threshold's default in loss_mmod_::to_label, which dlib's Python module never changes."""

BLOCK = 16
"""ONNX Runtime's blocked CPU layout wants channels in multiples of 16 (AVX-512; 8 on AVX2) and leaves it otherwise."""

FORM = (
    "two halves, of which the caller runs the first over strips",
    f"channels padded to a multiple of {BLOCK}",
    "9x9 to one channel as 1x9 to nine, and a 9x1 that sums them",
)
"""What is done to dlib's network; each is exact. On a CPU with AVX-512 the network takes 1.3 to 1.5 times as long
without the last two; the halves bound the memory."""


def detector_graph(network: Network) -> bytes:
    """Serialised ONNX model: `tile` to `shrunk`, and `shrunk_given` to `scores`."""
    return trunk_graph(padded_to_blocks(folded(network.layers)))


def trunk_graph(layers: Sequence[Layer]) -> bytes:
    """The graph of layers that were folded."""
    builder = GraphBuilder()
    first, second = halves(layers)
    shrunk = scored(builder, TILE.name, first)
    scores = scored(builder, SHRUNK_GIVEN.name, second)
    return builder.finish("face_detector", [shrunk, scores], [TILE, SHRUNK_GIVEN], [SHRUNK, SCORES])


def halves(layers: Sequence[Layer]) -> tuple[Sequence[Layer], Sequence[Layer]]:
    """The layers that shrink, without the input's, which is the caller's; and those that leave the size as it is."""
    second = next(
        number for number, layer in enumerate(layers) if isinstance(layer, Conv) and layer.spec.stride == 1
    )
    return [layer for layer in layers[:second] if not isinstance(layer, Input)], layers[second:]


def scored(builder: GraphBuilder, value: str, layers: Sequence[Layer], precision: Precision = FLOAT32) -> str:
    """What these layers make of a value, both in that precision."""
    for layer in layers:
        match layer:
            case Conv() if layer.spec.filters == 1:
                value = _by_rows(builder, value, layer, precision)
            case Conv():
                value = precision.rounded(builder, builder.conv(value, layer))
            case Relu():
                value = builder.node("Relu", value)
            case _:
                raise TypeError(f"no ONNX form for {layer.spec}")
    return value


def _by_rows(builder: GraphBuilder, value: str, conv: Conv, precision: Precision) -> str:
    """A convolution to one channel as two: a channel for each row of the kernel, then their sum, each a row lower.

    A convolution computes whole blocks of output channels: for one it would compute sixteen. Nine rows fill nine
    of them, so that the same work is done once and not nine times.
    """
    kernel, padding = conv.spec.kernel, conv.spec.padding
    rows = np.zeros((BLOCK, conv.weights.shape[1], 1, kernel), conv.weights.dtype)
    rows[:kernel, :, 0] = conv.weights[0].transpose(1, 0, 2)
    shifted_sum = np.zeros((1, BLOCK, kernel, 1), conv.weights.dtype)
    shifted_sum[0, range(kernel), range(kernel)] = 1
    by_row = builder.convolution(value, rows, np.zeros(BLOCK, rows.dtype), 1, [padding] * 4)
    summed = builder.convolution(precision.rounded(builder, by_row), shifted_sum, conv.bias, 1, [0] * 4)
    return precision.rounded(builder, summed)


def padded_to_blocks(layers: Sequence[Layer]) -> list[Layer]:
    """Fill the channels between convolutions up with zero filters to a multiple of BLOCK.

    A zero filter gives zeros, and the next convolution's weights for it are zeros: no score changes, and the
    45 channels of this network become 48.
    """
    last = max(index for index, layer in enumerate(layers) if isinstance(layer, Conv))
    result: list[Layer] = []
    channels = 3
    for index, layer in enumerate(layers):
        if not isinstance(layer, Conv):
            result.append(layer)
            continue
        spec = layer.spec
        filters = spec.filters if index == last else -(-spec.filters // BLOCK) * BLOCK
        more = filters - spec.filters
        weights = np.pad(layer.weights, ((0, more), (0, channels - spec.channels), (0, 0), (0, 0)))
        padded = ConvSpec(channels, filters, spec.kernel, spec.stride, spec.padding)
        result.append(Conv(padded, weights, np.pad(layer.bias, (0, more)), layer.stored))
        channels = filters
    return result


def detector_facts(network: Network) -> DetectorFacts:
    """What the caller needs to lay a tile out and to read its scores, from the file itself where it says so."""
    first, options = network.layers[0], network.options
    if not isinstance(first, Input) or options is None:
        raise TypeError("not a detector's network")
    return DetectorFacts(
        window_width=options.window_width,
        window_height=options.window_height,
        suppression_overlap=options.suppression_overlap,
        suppression_covered=options.suppression_covered,
        mean=first.mean,
        padding=first.padding,
        outer_padding=first.outer_padding,
        pyramid_rate=PYRAMID_RATE,
        threshold=THRESHOLD,
        form=FORM,
    )
