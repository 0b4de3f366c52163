"""The face-descriptor ResNet as an ONNX graph, for any weights of its topology."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conversion.graph import GraphBuilder, Port, folded
from conversion.layers import AddPrev, Conv, FullyConnected, Input, Layer, Pool, Relu, Skip, Tag
from conversion.read_network import Network
from service.recognition.engines.protocol import CHIP_SIDE, DESCRIPTOR_LENGTH

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
    for layer in layers:
        match layer:
            case Input():
                planes = builder.node(
                    "Transpose", value.name, perm=[0, 3, 1, 2]
                )  # bytes move faster than floats
                pixels = builder.node("Cast", planes, to=1)  # TensorProto.FLOAT
                value = _Value(builder.normalise(pixels, layer.mean), 3, CHIP_SIDE)
            case Conv():
                spec = layer.spec
                size = (value.size + 2 * spec.padding - spec.kernel) // spec.stride + 1
                value = _Value(builder.conv(value.name, layer), spec.filters, size)
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
        return _Value(builder.node("GlobalAveragePool", value.name), value.channels, 1)
    # dlib drops what a last window would lack, which is ONNX's default too (ceil_mode 0).
    name = builder.node(
        "MaxPool" if pool.kind == "max" else "AveragePool",
        value.name,
        kernel_shape=[pool.kernel] * 2,
        strides=[pool.stride] * 2,
        pads=[pool.padding] * 4,
    )
    return _Value(name, value.channels, (value.size + 2 * pool.padding - pool.kernel) // pool.stride + 1)


def _added(builder: GraphBuilder, first: _Value, second: _Value) -> _Value:
    """add_prev: the smaller is extended with zeros, in channels and to the right and bottom (tt::add, cpu_dlib.cpp)."""
    channels, size = max(first.channels, second.channels), max(first.size, second.size)

    def extended(value: _Value) -> str:
        if (value.channels, value.size) == (channels, size):
            return value.name
        grow = size - value.size
        pads = builder.constant(np.array([0, 0, 0, 0, 0, channels - value.channels, grow, grow], np.int64))
        return builder.node("Pad", value.name, pads)

    return _Value(builder.node("Add", extended(first), extended(second)), channels, size)
