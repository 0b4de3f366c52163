"""Operations and minimum memory traffic of dlib's two networks, counted from their layers."""

from dataclasses import dataclass

from conversion.dat.layers import AddPrev, ConvSpec, FullyConnectedSpec, Pool, Skip, Tag
from conversion.dat.topologies import Topology

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Work:
    """Work of one run over one image."""

    operations: int
    """Multiplications and additions of convolutions and fully connected layers; other layers are negligible."""
    weights: int
    """Bytes of all weights, read once per run for any batch size."""
    activations: int
    """Minimum bytes of activations: each layer reads its input and writes its output once. Element-wise layers (affine,
    ReLU, residual addition) are fused into the layer before; an addition reads its second operand."""


@dataclass(frozen=True)
class _Shape:
    channels: int
    rows: int
    columns: int

    @property
    def bytes(self) -> int:
        return FLOAT * self.channels * self.rows * self.columns


def work(topology: Topology, rows: int, columns: int) -> Work:
    """Work of a network of `conversion.dat.topologies` on an unpadded RGB image of this size."""
    shape = _Shape(3, rows, columns)
    tagged: dict[int, _Shape] = {}
    operations = weights = activations = 0
    for spec in topology:
        before = shape
        match spec:
            case ConvSpec():
                shape = _slid(shape, spec.filters, spec.kernel, spec.stride, spec.padding)
                taps = spec.channels * spec.kernel**2
                operations += 2 * taps * spec.filters * shape.rows * shape.columns
                weights += FLOAT * spec.filters * (taps + 1)
                activations += before.bytes + shape.bytes
            case FullyConnectedSpec():
                shape = _Shape(spec.outputs, 1, 1)
                operations += 2 * spec.inputs * spec.outputs
                weights += FLOAT * spec.inputs * spec.outputs
                activations += before.bytes + shape.bytes
            case Pool():
                if spec.kernel:
                    shape = _slid(shape, shape.channels, spec.kernel, spec.stride, spec.padding)
                else:
                    shape = _Shape(shape.channels, 1, 1)
                activations += before.bytes + shape.bytes
            case Tag():
                tagged[spec.number] = shape
            case Skip():
                shape = tagged[spec.tag]
            case AddPrev():
                other = tagged[spec.tag]
                shape = _Shape(
                    max(shape.channels, other.channels),
                    max(shape.rows, other.rows),
                    max(shape.columns, other.columns),
                )
                activations += other.bytes
    return Work(operations, weights, activations)


def _slid(shape: _Shape, channels: int, kernel: int, stride: int, padding: int) -> _Shape:
    rows, columns = ((size + 2 * padding - kernel) // stride + 1 for size in (shape.rows, shape.columns))
    return _Shape(channels, rows, columns)
