"""The CNN face detector's scan for a device: stem and head in float16, with the inputs and outputs of the int8 scan.

The tile arrives in bytes, a quarter of float32's traffic to a device. (byte - 128) / 256 is exact in float16; the rest
of the normalisation is part of the first layer's bias. Features are float16, scores float32. Exact scores of blocks are
those of detector.py's graph, so this graph has no head for blocks.

The first two layers compute pairs of columns as in scan.py: a cell of the input is such a pair.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from conversion.dat.layers import Conv
from conversion.dat.read_network import Network
from conversion.graphs import detector
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, with_weights_as
from conversion.graphs.detector import detector_facts, run_layers
from conversion.graphs.scan import (
    BYTES,
    CHANNELS_FIRST,
    CHANNELS_LAST,
    SCORES,
    scan_layers,
    weights_over_pairs,
)
from model_store.manifest import DetectorFacts
from service.recognition.cnn import scan, strips

FEATURES = Port(scan.SCAN_FEATURES, "tensor(float16)", ("N", "h", "w", strips.CHANNELS))
GIVEN_FEATURES = Port(scan.GIVEN_SCAN_FEATURES, "tensor(float16)", ("M", "rows", "columns", strips.CHANNELS))
INPUTS = (BYTES, GIVEN_FEATURES)
OUTPUTS = (FEATURES, SCORES)

CENTRE = 128
"""Subtracted from a byte. Without it, values and biases of one sign would lose bits in a float16 sum."""
FORM = (
    "stem and head, of which the caller runs the first over strips",
    *detector.NETWORK_FORM,
    "pixels rounded to bytes, two rows and four columns of them in each cell",
    "the first two layers over pairs of columns",
    "weights and values in float16",
)


def scan_facts(network: Network) -> DetectorFacts:
    """The detector's facts, with this graph's FORM."""
    return replace(detector_facts(network), form=FORM)


def float16_layers(network: Network) -> list[Conv]:
    """The convolutions with weights in float16, each but the last followed by a ReLU.

    The input of the first is `squares` as (byte - CENTRE) / 256.
    """
    first, *others = scan_layers(network)
    weights = first.weights * NORMALISATION_SCALE
    bias = first.bias + CENTRE * first.weights.sum((1, 2, 3))
    return with_weights_as(np.float16, [replace(first, weights=weights, bias=bias), *others])


def float16_graph(network: Network) -> bytes:
    """Serialised ONNX model of both parts."""
    return graph_of(GraphBuilder(), float16_layers(network), TensorProto.FLOAT16)


def graph_of(builder: GraphBuilder, layers: Sequence[Conv], number: int) -> bytes:
    """The serialised model.

    Args:
        builder: an empty builder.
        layers: `float16_layers`, with weights of the type `number`.
        number: ONNX's type of all values between the ports.
    """
    dtype = layers[0].weights.dtype
    cells = builder.node("Transpose", BYTES.name, perm=CHANNELS_FIRST)
    centred = builder.node(
        "Sub", builder.node("Cast", cells, to=number), builder.constant(np.array(CENTRE, dtype))
    )
    value = builder.node("Mul", centred, builder.constant((1 / NORMALISATION_SCALE).astype(dtype)))
    first, second, *others = layers
    of_first, of_second = weights_over_pairs(first.weights, second.weights)
    value = builder.convolution(value, of_first, np.tile(first.bias, 2), (1, 1), [0] * 4)
    value = builder.node("Relu", value)
    value = builder.convolution(value, of_second, second.bias, (second.spec.stride, 1), [0] * 4)
    value = builder.node("Relu", value)
    # The stem ends with the last layer that downsamples.
    end = max(index for index, conv in enumerate(others) if conv.spec.stride > 1) + 1
    for conv in others[:end]:
        value = builder.node("Relu", builder.conv(value, conv))
    features = builder.node("Transpose", value, perm=CHANNELS_LAST)

    value = builder.node("Transpose", GIVEN_FEATURES.name, perm=CHANNELS_FIRST)
    value = builder.node("Cast", value, to=number)
    *inner, last = others[end:]
    for conv in inner:
        value = builder.node("Relu", builder.conv(value, conv))
    scores = run_layers(builder, value, [last])
    return builder.finish(
        "face_detector_scan_float16",
        [
            builder.node("Cast", features, to=TensorProto.FLOAT16),
            builder.node("Cast", scores, to=TensorProto.FLOAT),
        ],
        INPUTS,
        OUTPUTS,
    )
