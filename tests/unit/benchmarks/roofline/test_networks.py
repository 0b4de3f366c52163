"""Work of a small network counted by hand, and the known sizes of dlib's two networks."""

import pytest

from benchmarks.roofline.networks import Work, work
from conversion.dat.layers import AddPrev, ConvSpec, FullyConnectedSpec, InputSpec, Pool, Relu, Skip, Tag
from conversion.dat.topologies import DESCRIPTOR, DETECTOR
from service.recognition.cnn import pyramid
from service.recognition.contract import CHIP_SIDE


def test_the_detector_takes_27_billion_operations_per_megapixel() -> None:
    layout = pyramid.layout(1000, 1200)
    assert layout is not None
    assert work(DETECTOR, layout.rows, layout.columns).operations / 1.2 == pytest.approx(26.9e9, rel=2e-3)


def test_the_descriptor_network_takes_half_a_billion_operations_and_22_megabytes_of_weights() -> None:
    counted = work(DESCRIPTOR, CHIP_SIDE, CHIP_SIDE)
    assert counted.operations == pytest.approx(0.54e9, rel=1e-2)
    assert counted.weights == pytest.approx(22.3e6, rel=1e-2)


def test_layers_are_counted_as_by_hand() -> None:
    topology = (
        InputSpec("image"),
        ConvSpec(3, 4, 3, 1, 1),  # 3x8x8 to 4x8x8
        Relu(),
        Tag(1),
        ConvSpec(4, 6, 3, 2, 0),  # to 6x3x3
        Tag(2),
        Skip(1),
        Pool("average", 2, 2),  # 4x8x8 to 4x4x4
        AddPrev(2),  # 6x4x4
        Pool("max", 0, 1),  # to 6x1x1
        FullyConnectedSpec(6, 5),
    )
    image, first, second, pooled, added, one, out = 192, 256, 54, 64, 96, 6, 5
    moved = image + first + first + second + first + pooled + second + added + one + one + out
    assert work(topology, 8, 8) == Work(
        operations=2 * (27 * first + 36 * second + 30),
        weights=4 * (28 * 4 + 37 * 6 + 30),
        activations=4 * moved,
    )
