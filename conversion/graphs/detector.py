"""The CNN face detector: an ONNX graph of two halves, so that memory stays bounded.

The first half downsamples the tile by eight, the second computes scores. They are not connected: the caller runs the
first over strips of the tile, keeps the downsampled rows, and runs the second over strips of these rows. So memory is
bounded, and no row is computed twice; strips of the undivided network would overlap by 181 rows. Both halves are in one
graph to share threads and buffers; the idle half has an empty batch as its input.
"""

from collections.abc import Sequence

import numpy as np

from conversion.dat.layers import Conv, ConvSpec, Input, Layer, Relu
from conversion.dat.read_network import Network
from conversion.graphs.builder import GraphBuilder, Port, folded
from model_store.manifest import DetectorFacts
from service.recognition import pyramid_down
from service.recognition.cnn import strips

TILE = Port("tile", "tensor(float)", ("N", 3, "H", "W"))
"""Rows of a tile, RGB: (pixel - mean) / 256, normalised before resampling like dlib's. Gaps between levels: 0."""
FEATURES = Port(strips.FEATURES, "tensor(float)", ("N", 32, "h", "w"))
"""Features of the first half. The receptive field of row r: rows 8 r to 8 r + 28 of the tile."""
GIVEN_FEATURES = Port(strips.GIVEN_FEATURES, "tensor(float)", ("M", 32, "rows", "columns"))
"""Input of the second half: rows of the features."""
SCORES = Port("scores", "tensor(float)", ("M", 1, "rows", "columns"))
"""Score (row, column) has its centre at tile pixel (8 row + 14, 8 column + 14). It depends on 10 rows and 10
columns of features on each side."""

THRESHOLD = 0.0
"""adjust_threshold's default in loss_mmod_::to_label, which dlib's Python module never changes."""

BLOCK = 16
"""Channels of a block in ONNX Runtime's blocked CPU layout (AVX-512; 8 on AVX2); other numbers leave that layout."""

NETWORK_FORM = (
    f"channels padded to a multiple of {BLOCK}",
    "9x9 to one channel as 1x9 to nine, and a 9x1 that sums them",
)
"""Changes of dlib's network in all graphs, each exact. Without them the network takes 1.3 to 1.5 times as long on a CPU
with AVX-512."""
FORM = ("two halves, of which the caller runs the first over strips", *NETWORK_FORM)
"""Changes of dlib's network, each exact. The halves bound the memory."""


def detector_graph(network: Network) -> bytes:
    """Serialised ONNX model: `tile` to `shrunk`, and `shrunk_given` to `scores`."""
    return trunk_graph(padded_to_blocks(folded(network.layers)))


def trunk_graph(layers: Sequence[Layer]) -> bytes:
    """The serialised model from folded layers."""
    builder = GraphBuilder()
    first, second = halves(layers)
    features = run_layers(builder, TILE.name, first)
    scores = run_layers(builder, GIVEN_FEATURES.name, second)
    return builder.finish("face_detector", [features, scores], [TILE, GIVEN_FEATURES], [FEATURES, SCORES])


def halves(layers: Sequence[Layer]) -> tuple[Sequence[Layer], Sequence[Layer]]:
    """The downsampling layers, without the input layer; and the layers of stride 1 after them."""
    second = next(
        number for number, layer in enumerate(layers) if isinstance(layer, Conv) and layer.spec.stride == 1
    )
    return [layer for layer in layers[:second] if not isinstance(layer, Input)], layers[second:]


def run_layers(builder: GraphBuilder, value: str, layers: Sequence[Layer]) -> str:
    """Append these layers and return their output; the type of all values is that of the weights."""
    for layer in layers:
        match layer:
            case Conv() if layer.spec.filters == 1:
                value = _by_rows(builder, value, layer)
            case Conv():
                value = builder.conv(value, layer)
            case Relu():
                value = builder.node("Relu", value)
            case _:
                raise TypeError(f"no ONNX form for {layer.spec}")
    return value


def _by_rows(builder: GraphBuilder, value: str, conv: Conv) -> str:
    """A 9x9 convolution to one channel as two: 1x9 to nine channels, one per row of the kernel; then 9x1 for the sum.

    A convolution computes whole blocks of 16 output channels, of which one channel would use a sixteenth. Nine channels
    use nine of them, for a ninth of the work.
    """
    kernel, padding = conv.spec.kernel, conv.spec.padding
    rows = np.zeros((BLOCK, conv.weights.shape[1], 1, kernel), conv.weights.dtype)
    rows[:kernel, :, 0] = conv.weights[0].transpose(1, 0, 2)
    shifted_sum = np.zeros((1, BLOCK, kernel, 1), conv.weights.dtype)
    shifted_sum[0, range(kernel), range(kernel)] = 1
    by_row = builder.convolution(value, rows, np.zeros(BLOCK, rows.dtype), [1, 1], [padding] * 4)
    return builder.convolution(by_row, shifted_sum, conv.bias, [1, 1], [0] * 4)


def padded_to_blocks(layers: Sequence[Layer]) -> list[Layer]:
    """Pad the channels between convolutions with zero filters to a multiple of BLOCK.

    A zero filter gives zeros, and its weights in the next convolution are zeros, so no score changes. The 45 channels
    of this network become 48.
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
    """The parameters of tiles and boxes: from the file, and from dlib's source if the file has none."""
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
        pyramid_rate=pyramid_down.RATE,  # of a C++ type, and so not in the file: cnn_face_detector.cpp
        threshold=THRESHOLD,
        form=FORM,
    )
