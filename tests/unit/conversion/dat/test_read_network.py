"""Whole files: the published ones, files of other kinds, and thousands of damaged ones in bounded memory."""

import bz2
import gzip
import io
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conversion.dat.kinds import describe
from conversion.dat.layers import Affine, Conv, FullyConnected, Input
from conversion.dat.primitives import DatError
from conversion.dat.read_network import Network, read_network
from conversion.dat.topologies import DESCRIPTOR, DETECTOR
from model_store.models import FIVE_POINTS, SIXTY_EIGHT_POINTS
from model_store.store import WeightStore
from tests.paths import ROOT


def test_reads_the_descriptor_with_29_convolutions(descriptor: Network) -> None:
    convolutions = [layer for layer in descriptor.layers if isinstance(layer, Conv)]
    assert len(convolutions) == 29
    assert len([layer for layer in descriptor.layers if isinstance(layer, Affine)]) == 29
    first, last = descriptor.layers[0], descriptor.layers[-1]
    assert isinstance(first, Input)
    assert first.size == (150, 150)
    assert first.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-5)
    assert isinstance(last, FullyConnected)
    assert last.weights.shape == (256, 128)
    assert descriptor.options is None


def test_reads_the_detector_with_its_window(detector: Network) -> None:
    assert detector.options is not None
    assert (detector.options.window_width, detector.options.window_height) == (80, 80)
    assert detector.options.suppression_overlap == 0.3382761351109955
    assert detector.options.suppression_covered == 1.0
    assert detector.layers[0].spec == DETECTOR[0]


def test_every_stored_tensor_is_at_its_offset(descriptor: Network, descriptor_weights: Path) -> None:
    data = descriptor_weights.read_bytes()
    for layer in descriptor.layers:
        if isinstance(layer, Conv | Affine | FullyConnected):
            for tensor in layer.stored:
                size = tensor.values.nbytes
                assert data[tensor.offset : tensor.offset + size] == tensor.values.tobytes()


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "png")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (_png(), "a PNG image"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (bz2.compress(b"weights"), "unpack it first"),
        (gzip.compress(b"weights", mtime=0), "a gzip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x01\x01\x01\x13loss_multiclass_log" + bytes(40), "a network with loss_multiclass_log"),
        (b"nonsense", "begins with the bytes 6e 6f 6e"),
    ],
)
def test_error_names_the_kind_of_another_file(data: bytes, found: str) -> None:
    with pytest.raises(DatError, match=found):
        read_network(data, DESCRIPTOR)


@pytest.mark.parametrize(("name", "points"), [(FIVE_POINTS, 5), (SIXTY_EIGHT_POINTS, 68)])
def test_describes_a_landmark_predictor(store: Path, name: str, points: int) -> None:
    with WeightStore(store).path(name).open("rb") as file:
        assert describe(file.read(1000)) == f"a shape_predictor of {points} points"


def test_rejects_the_other_network(detector_weights: Path, descriptor_weights: Path) -> None:
    with pytest.raises(DatError, match=r"expected a network with loss_metric_2 .* with loss_mmod_"):
        read_network(detector_weights.read_bytes(), DESCRIPTOR)
    with pytest.raises(DatError, match=r"expected a network with loss_mmod_, found .* loss_metric_2"):
        read_network(descriptor_weights.read_bytes(), DETECTOR)


def test_rejects_a_network_of_another_depth(descriptor_weights: Path) -> None:
    with pytest.raises(DatError, match=r"corrupt|layer|version"):
        read_network(descriptor_weights.read_bytes(), DESCRIPTOR[:-9] + DESCRIPTOR[-2:])


def test_rejects_trailing_bytes(detector_weights: Path) -> None:
    with pytest.raises(DatError, match="1 bytes follow the end"):
        read_network(detector_weights.read_bytes() + b"\0", DETECTOR)


def test_rejects_weights_that_are_not_finite(detector: Network, detector_weights: Path) -> None:
    convolution = detector.layers[1]
    assert isinstance(convolution, Conv)
    place = convolution.stored[0].offset + 40
    data = detector_weights.read_bytes()
    data = data[:place] + np.array(np.nan, "<f4").tobytes() + data[place + 4 :]
    with pytest.raises(DatError, match=f"corrupt at byte {convolution.stored[0].offset}: convolution"):
        read_network(data, DETECTOR)


def test_rejects_truncation_at_any_byte(detector_weights: Path) -> None:
    data = detector_weights.read_bytes()
    cuts = [*range(0, 400), *range(400, len(data), 4999), len(data) - 1]
    for cut in cuts:
        with pytest.raises(DatError):
            read_network(data[:cut], DETECTOR)


_FUZZ = """
import resource, sys
import numpy as np
from conversion.dat.primitives import DatError
from conversion.dat.layers import Affine, Conv, FullyConnected
from conversion.dat.read_network import read_network
from conversion.dat.topologies import DESCRIPTOR, DETECTOR

topology = {"descriptor": DESCRIPTOR, "detector": DETECTOR}[sys.argv[1]]
data = open(sys.argv[2], "rb").read()
rounds = int(sys.argv[3])
structure = np.ones(len(data), bool)
for layer in read_network(data, topology).layers:
    if isinstance(layer, Conv | Affine | FullyConnected):
        for tensor in layer.stored:
            structure[tensor.offset : tensor.offset + tensor.values.nbytes] = False
places = np.flatnonzero(structure)

pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + int(sys.argv[4]),) * 2)
state = np.random.RandomState(7)
rejected = 0
for number in range(rounds):
    damaged = bytearray(data)
    for place in state.choice(places, 1 + number % 3):
        damaged[place] = state.randint(256) if number % 2 else damaged[place] ^ (1 << state.randint(8))
    try:
        read_network(bytes(damaged), topology)
    except DatError:
        rejected += 1
print(rejected)
"""


@pytest.mark.not_quick
@pytest.mark.parametrize(
    ("kind", "rounds"), [("detector", 1500), pytest.param("descriptor", 150, marks=pytest.mark.slow)]
)
def test_damage_is_a_dat_error_or_without_effect_in_bounded_memory(
    kind: str, rounds: int, request: pytest.FixtureRequest
) -> None:
    """Changes bytes of the structure: sizes, counts, names, versions, flags."""
    weights: Path = request.getfixturevalue(f"{kind}_weights")
    allowed = 4 * weights.stat().st_size + (16 << 20)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FUZZ), kind, weights, str(rounds), str(allowed)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    # The other changes have no effect: learning rates, margins, flags of training.
    assert int(done.stdout) > rounds / 2


def test_memory_limit_stops_a_large_allocation() -> None:
    script = f"""
import resource
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * {resource.getpagesize()} + (64 << 20),) * 2)
bytearray(1 << 30)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "MemoryError" in done.stderr
