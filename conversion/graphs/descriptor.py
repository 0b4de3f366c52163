"""The descriptor network (ResNet-29) as an ONNX graph: face chips to descriptors, for any weights of its topology."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from conversion.dat.layers import AddPrev, Conv, ConvSpec, FullyConnected, Input, Layer, Pool, Relu, Skip, Tag
from conversion.dat.read_network import Network
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, folded
from service.recognition.contract import CHIP_SIDE, DESCRIPTOR_LENGTH

CHIPS = Port("chips", "tensor(uint8)", ("N", CHIP_SIDE, CHIP_SIDE, 3))
"""Face chips, RGB."""
DESCRIPTORS = Port("descriptors", "tensor(float)", ("N", DESCRIPTOR_LENGTH))
"""Descriptors, not normalised, like dlib's."""


@dataclass(frozen=True)
class _Value:
    """A tensor of the graph and its shape, (N, channels, size, size)."""

    name: str
    channels: int
    size: int


def descriptor_graph(network: Network) -> bytes:
    """Serialised ONNX model: `chips` uint8 (N, 150, 150, 3) RGB to `descriptors` float32 (N, 128)."""
    return network_graph(folded(network.layers))


def network_graph(layers: Sequence[Layer]) -> bytes:
    """The serialised model from folded layers."""
    builder = GraphBuilder()
    tagged: dict[int, _Value] = {}
    value = _Value(CHIPS.name, 3, CHIP_SIDE)
    for layer in _scale_folded(layers):
        match layer:
            case Input():
                # Transposed before the cast, since uint8 has a quarter of float32's bytes to move.
                planes = builder.node("Transpose", value.name, perm=[0, 3, 1, 2])
                planes = builder.node("Cast", planes, to=TensorProto.FLOAT)
                value = _Value(builder.minus_mean(planes, layer.mean), 3, CHIP_SIDE)
            case Conv():
                conv = _cropped_for_one_pixel(layer, value.size)
                spec = conv.spec
                size = (value.size + 2 * spec.padding - spec.kernel) // spec.stride + 1
                value = _Value(builder.conv(value.name, conv), spec.filters, size)
            case Relu():
                value = _Value(builder.node("Relu", value.name), value.channels, value.size)
            case Pool():
                value = _pooled(builder, value, layer)
            case Tag():
                tagged[layer.number] = value
            case Skip():
                value = tagged[layer.tag]
            case AddPrev():
                value = _added(builder, value, tagged[layer.tag])
            case FullyConnected():
                row = builder.node("Flatten", value.name, axis=1)
                name = builder.node("MatMul", row, builder.constant(layer.weights))
                value = _Value(name, layer.spec.outputs, 1)
            case _:
                raise TypeError(f"no ONNX form for {layer.spec}")
    return builder.finish("face_descriptor", [value.name], [CHIPS], [DESCRIPTORS])


def _pooled(builder: GraphBuilder, value: _Value, pool: Pool) -> _Value:
    if pool.kernel == 0:
        mean = builder.node("GlobalAveragePool", value.name)
        return _Value(mean, value.channels, 1)
    # Dlib omits an incomplete last window, like ONNX by default (ceil_mode 0).
    name = builder.node(
        "MaxPool" if pool.kind == "max" else "AveragePool",
        value.name,
        kernel_shape=[pool.kernel] * 2,
        strides=[pool.stride] * 2,
        pads=[pool.padding] * 4,
    )
    size = (value.size + 2 * pool.padding - pool.kernel) // pool.stride + 1
    return _Value(name, value.channels, size)


def _added(builder: GraphBuilder, first: _Value, second: _Value) -> _Value:
    """add_prev: a sum, the smaller term zero-padded in channels and at right and bottom (tt::add, cpu_dlib.cpp)."""
    channels, size = max(first.channels, second.channels), max(first.size, second.size)

    def extended(value: _Value) -> str:
        grow = size - value.size
        grown = _scaled_and_padded(builder, value, 1, grow) if grow else value.name
        if value.channels < channels:
            zeros = _scaled_and_padded(builder, value, 0, grow)
            grown = builder.node("Concat", grown, *[zeros] * (channels // value.channels - 1), axis=1)
        return grown

    total = builder.node("Add", extended(first), extended(second))
    return _Value(total, channels, size)


def _scaled_and_padded(builder: GraphBuilder, value: _Value, factor: float, grow: int) -> str:
    """The values times a factor, zero-padded by `grow` rows at the bottom and columns at the right.

    A depthwise 1x1 convolution instead of Pad, which ONNX Runtime's blocked layout does not support: it would leave the
    layout at a Pad and not fuse the following sums into their convolutions.
    """
    return builder.node(
        "Conv",
        value.name,
        builder.constant(np.full((value.channels, 1, 1, 1), factor, np.float32)),
        kernel_shape=[1, 1],
        group=value.channels,
        pads=[0, 0, grow, grow],
    )


def _scale_folded(layers: Sequence[Layer]) -> list[Layer]:
    """The input's division by 256 folded into the first convolution; exact, since 256 is a power of two."""
    result = list(layers)
    for index, layer in enumerate(result):
        if isinstance(layer, Conv):
            result[index] = Conv(layer.spec, layer.weights / NORMALISATION_SCALE, layer.bias, layer.stored)
            break
    return result


def _cropped_for_one_pixel(conv: Conv, size: int) -> Conv:
    """The centre tap as a 1x1 kernel if the input is one pixel: the other taps, 2 MB to read, meet only padding."""
    spec = conv.spec
    if size > 1 or spec.kernel != 2 * spec.padding + 1:
        return conv
    middle = conv.weights[:, :, spec.padding, None, spec.padding, None]
    return Conv(ConvSpec(spec.channels, spec.filters, 1, spec.stride, 0), middle, conv.bias, conv.stored)
