"""Small files in the formats of dlib's serialization, written like its `serialize` functions do.

Source: dlib/dnn/core.h, layers.h, loss.h and input.h; dlib/image_processing/shape_predictor.h.
"""

import random
import struct
from collections.abc import Sequence

from conversion.dat.layers import (
    AddPrev,
    AffineSpec,
    ConvSpec,
    FullyConnectedSpec,
    InputSpec,
    Pool,
    Relu,
    Skip,
    Tag,
)
from conversion.dat.topologies import Topology
from tests.unit.conversion.packing import packed_float, packed_integer

SMALL_DESCRIPTOR: Topology = (
    InputSpec("image"),
    ConvSpec(3, 2, 3, 2, 0),
    AffineSpec(2),
    Relu(),
    Pool("max", 3, 2),
    Tag(1),
    ConvSpec(2, 2, 3, 1, 1),
    AffineSpec(2),
    Tag(2),
    Skip(1),
    Pool("average", 2, 2),
    AddPrev(2),
    Relu(),
    Pool("average", 0, 1),
    FullyConnectedSpec(2, 4),
)

SMALL_DETECTOR: Topology = (
    InputSpec("pyramid"),
    ConvSpec(3, 2, 3, 2, 0),
    AffineSpec(2),
    Relu(),
    ConvSpec(2, 1, 3, 1, 1),
)

STAGES, TREES, SPLITS, PIXELS = 2, 3, 3, 4
"""Counts of the small predictor: splits per tree, pixels per stage."""

_EMPTY_TENSOR = (0, 0, 0, 0)


class _Writer:
    """Writer of a network's layers in one version of the file format."""

    def __init__(self, newest: bool, batch_normalisation: bool) -> None:
        self._newest = newest
        self._batch_normalisation = batch_normalisation
        self._random = random.Random(7)

    def network(self, topology: Topology, loss: bytes) -> bytes:
        layers = topology[1:]
        versions = [packed_integer(1 if isinstance(spec, Tag | Skip) else 2) for spec in reversed(layers[1:])]
        innermost = packed_integer(3)
        parts = [
            packed_integer(1),
            loss,
            *versions,
            innermost,
            self._input(topology[0] == InputSpec("pyramid")),
        ]
        for number, spec in enumerate(layers):
            if isinstance(spec, Tag | Skip):
                continue
            # Three flags and three empty tensors of training, as in a published file.
            parts += [self._layer(spec), b"000", 3 * self._tensor(_EMPTY_TENSOR)]
            if number == 0:
                parts.append(packed_integer(1))
        return b"".join(parts)

    def _input(self, pyramid: bool) -> bytes:
        mean = b"".join(packed_float(value) for value in (122.782, 117.001, 104.298))
        if pyramid:
            return string("input_rgb_image_pyramid2") + mean + packed_integer(10) + packed_integer(11)
        return string("input_rgb_image_sized") + mean + packed_integer(150) + packed_integer(150)

    def _layer(self, spec: object) -> bytes:
        match spec:
            case ConvSpec():
                shape = (spec.filters, spec.channels, spec.kernel, spec.kernel)
                count = spec.filters * spec.channels * spec.kernel**2 + spec.filters
                return b"".join(
                    (
                        string("con_6" if self._newest else "con_4"),
                        self._tensor((count, 1, 1, 1)),
                        packed_integer(spec.filters),
                        self._window(spec.kernel, spec.stride, spec.padding),
                        self._alias(shape),
                        self._alias((1, spec.filters, 1, 1)),
                        self._multipliers(),
                        b"10" if self._newest else b"",
                    )
                )
            case AffineSpec() if self._batch_normalisation:
                channels = (1, spec.channels, 1, 1)
                return b"".join(
                    (
                        string("bn_con2"),
                        self._tensor((2 * spec.channels, 1, 1, 1)),
                        2 * self._alias(channels),
                        4 * self._tensor(channels),
                        packed_integer(5) + packed_integer(100),
                        self._multipliers(),
                        packed_float(0.0001),
                    )
                )
            case AffineSpec():
                channels = (1, spec.channels, 1, 1)
                return b"".join(
                    (
                        string("affine_2" if self._newest else "affine_"),
                        self._tensor((2 * spec.channels, 1, 1, 1)),
                        2 * self._alias(channels),
                        packed_integer(0),
                        b"0" if self._newest else b"",
                    )
                )
            case FullyConnectedSpec():
                return b"".join(
                    (
                        string("fc_3" if self._newest else "fc_2"),
                        packed_integer(spec.outputs) + packed_integer(spec.inputs),
                        self._tensor((spec.inputs, spec.outputs, 1, 1)),
                        self._alias((spec.inputs, spec.outputs, 1, 1)) + self._alias(_EMPTY_TENSOR),
                        packed_integer(1),
                        self._multipliers(),
                        b"1" if self._newest else b"",
                    )
                )
            case Relu():
                return string("relu_2") + b"0" if self._newest else string("relu_")
            case Pool():
                name = "max_pool_2" if spec.kind == "max" else "avg_pool_2"
                return string(name) + self._window(spec.kernel, spec.stride, spec.padding)
            case _:
                return string("add_prev_")

    def _window(self, *values: int) -> bytes:
        return b"".join(2 * packed_integer(value) for value in values)

    def _multipliers(self) -> bytes:
        return 4 * packed_float(1)

    def _alias(self, shape: Sequence[int]) -> bytes:
        return packed_integer(1) + b"".join(map(packed_integer, shape))

    def _tensor(self, shape: tuple[int, int, int, int]) -> bytes:
        samples, channels, rows, columns = shape
        count = samples * channels * rows * columns
        values = (self._random.random() for _ in range(count))
        return packed_integer(2) + b"".join(map(packed_integer, shape)) + struct.pack(f"<{count}f", *values)


def string(text: str) -> bytes:
    return packed_integer(len(text)) + text.encode("ascii")


def descriptor(*, newest: bool = False, batch_normalisation: bool = False) -> bytes:
    """A network of SMALL_DESCRIPTOR."""
    loss = string("loss_metric_2") + packed_float(0.04) + packed_float(0.6)
    return _Writer(newest, batch_normalisation).network(SMALL_DESCRIPTOR, loss)


def detector(*, newest: bool = False) -> bytes:
    """A network of SMALL_DETECTOR."""
    options = b"".join(
        (
            packed_integer(4 if newest else 3),
            packed_integer(1),
            packed_integer(2) + packed_integer(80) + packed_integer(80) + string("face"),
            *map(packed_float, (1, 1, 0.5)),
            *map(packed_float, (0.338, 1, 0.5, 1)),
            b"\x01",
            b"0" + packed_float(100) if newest else b"",
        )
    )
    return _Writer(newest, False).network(SMALL_DETECTOR, string("loss_mmod_") + options)


def predictor(splits: int = SPLITS, **changes: int) -> bytes:
    """A shape predictor of five points after the `serialize` of shape_predictor; `changes` replace its counts."""
    state = random.Random(5)
    counts = {"splits": splits, "leaves": splits + 1, "pixel": PIXELS - 1, "anchors": PIXELS} | changes
    data = [packed_integer(1), column([state.random() for _ in range(10)]), packed_integer(STAGES)]
    for _ in range(STAGES):
        data.append(packed_integer(TREES))
        for _ in range(TREES):
            data.append(packed_integer(counts["splits"]))
            for _ in range(splits):
                data += [packed_integer(0), packed_integer(counts["pixel"]), packed_float(state.gauss(0, 9))]
            data.append(packed_integer(counts["leaves"]))
            data += [column([state.gauss(0, 0.1) for _ in range(10)]) for _ in range(splits + 1)]
    data.append(packed_integer(STAGES))
    for _ in range(STAGES):
        data.append(packed_integer(counts["anchors"]))
        data += [packed_integer(number % 5) for number in range(PIXELS)]
    data.append(packed_integer(STAGES))
    for _ in range(STAGES):
        data.append(packed_integer(PIXELS))
        data += [packed_float(state.random()) for _ in range(2 * PIXELS)]
    return b"".join(data)


def column(values: Sequence[float]) -> bytes:
    """A matrix of one column; its size is stored as negative numbers (dlib/matrix/matrix.h)."""
    return packed_integer(-len(values)) + packed_integer(-1) + b"".join(map(packed_float, values))
