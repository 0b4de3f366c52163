"""The face-descriptor ResNet as an ONNX graph, for any weights of its topology."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conversion.dat.layers import AddPrev, Conv, ConvSpec, FullyConnected, Input, Layer, Pool, Relu, Skip, Tag
from conversion.dat.read_network import Network
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, folded
from service.recognition.contract import CHIP_SIDE, DESCRIPTOR_LENGTH

CHIPS = Port("chips", "tensor(uint8)", ("N", CHIP_SIDE, CHIP_SIDE, 3))
"""Face chips as pixels, RGB."""
DESCRIPTORS = Port("descriptors", "tensor(float)", ("N", DESCRIPTOR_LENGTH))
"""Not normalised, as dlib gives them."""


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
    """The graph of layers that were folded."""
    builder = GraphBuilder()
    tagged: dict[int, _Value] = {}
    value = _Value(CHIPS.name, 3, CHIP_SIDE)
    for layer in _without_scale(layers):
        match layer:
            case Input():
                planes = builder.node(
                    "Transpose", value.name, perm=[0, 3, 1, 2]
                )  # bytes move faster than floats
                pixels = builder.node("Cast", planes, to=1)  # TensorProto.FLOAT
                pixels = builder.less_mean(pixels, layer.mean)
                value = _Value(pixels, 3, CHIP_SIDE)
            case Conv():
                conv = _on_one_pixel(layer, value.size)
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
    # dlib drops what a last window would lack, which is ONNX's default too (ceil_mode 0).
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
    """add_prev: the smaller is extended with zeros, in channels and to the right and bottom (tt::add, cpu_dlib.cpp)."""
    channels, size = max(first.channels, second.channels), max(first.size, second.size)

    def extended(value: _Value) -> str:
        grow = size - value.size
        grown = _times(builder, value, 1, grow) if grow else value.name
        if value.channels < channels:
            zeros = _times(builder, value, 0, grow)
            grown = builder.node("Concat", grown, *[zeros] * (channels // value.channels - 1), axis=1)
        return grown

    total = builder.node("Add", extended(first), extended(second))
    return _Value(total, channels, size)


def _times(builder: GraphBuilder, value: _Value, factor: float, grow: int) -> str:
    """Every value times a factor, and `grow` rows below and columns to the right of zeros.

    A convolution of one tap a channel, and not Pad, which ONNX Runtime's blocked layout does not know: it would leave
    that layout there and not fuse the sums behind it into their convolutions.
    """
    return builder.node(
        "Conv",
        value.name,
        builder.constant(np.full((value.channels, 1, 1, 1), factor, np.float32)),
        kernel_shape=[1, 1],
        group=value.channels,
        pads=[0, 0, grow, grow],
    )


def _without_scale(layers: Sequence[Layer]) -> list[Layer]:
    """The input's division by 256 moved into the first convolution: a power of two, so that no bit changes."""
    result = list(layers)
    for index, layer in enumerate(result):
        if isinstance(layer, Conv):
            result[index] = Conv(layer.spec, layer.weights / NORMALISATION_SCALE, layer.bias, layer.stored)
            break
    return result


def _on_one_pixel(conv: Conv, size: int) -> Conv:
    """The middle tap alone, where the picture is one pixel: the others meet zeros, and are 2 MB to read."""
    spec = conv.spec
    if size > 1 or spec.kernel != 2 * spec.padding + 1:
        return conv
    middle = conv.weights[:, :, spec.padding, None, spec.padding, None]
    return Conv(ConvSpec(spec.channels, spec.filters, 1, spec.stride, 0), middle, conv.bias, conv.stored)
