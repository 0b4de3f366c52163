"""The trunk of the CNN face detector as an ONNX graph, and the facts that decode its scores."""

from collections.abc import Sequence

import numpy as np

from conversion.graph import GraphBuilder, Port, folded
from conversion.layers import Conv, ConvSpec, Input, Layer, Relu
from conversion.read_network import Network
from model_store.manifest import DetectorFacts

TILE = Port("tile", "tensor(float)", ("N", 3, "H", "W"))
"""A tiled pyramid, RGB, in pixel units: not whole numbers, since dlib resamples floats. Gaps hold the mean."""
SCORES = Port("scores", "tensor(float)", ("N", 1, "h", "w"))
"""Score (row, column) belongs to tile pixel (8 row + 14, 8 column + 14)."""

PYRAMID_RATE = 6
"""input_rgb_image_pyramid<pyramid_down<6>>, a type and so not in the file (cnn_face_detector.cpp)."""
THRESHOLD = 0.0
"""adjust_threshold's default in loss_mmod_::to_label, which dlib's Python module never changes."""

BLOCK = 16
"""ONNX Runtime's blocked CPU layout wants channels in multiples of 16 (AVX-512; 8 on AVX2) and leaves it otherwise."""


def detector_graph(network: Network) -> bytes:
    """Serialised ONNX model: `tile` float32 (N, 3, H, W) to `scores` float32 (N, 1, h, w)."""
    return trunk_graph(padded_to_blocks(folded(network.layers)))


def trunk_graph(layers: Sequence[Layer]) -> bytes:
    """The graph of layers that were folded."""
    builder = GraphBuilder()
    value = TILE.name
    for layer in layers:
        match layer:
            case Input():
                value = builder.normalise(value, layer.mean)
            case Conv():
                value = builder.conv(value, layer)
            case Relu():
                value = builder.node("Relu", value)
            case _:
                raise TypeError(f"no ONNX form for {layer.spec}")
    return builder.finish("face_detector", value, TILE, SCORES)


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
    )
