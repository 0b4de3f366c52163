"""Format versions of the layers: dlib 20 writes more flags than the published files have."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conversion.dat import read_layer
from conversion.dat.layers import Affine, Layer
from conversion.dat.primitives import DatError, Reader
from conversion.dat.read_network import Network, read_network
from conversion.dat.topologies import DESCRIPTOR
from conversion.validation import reference
from conversion.validation.pictures import face_chips
from tests.fuzz import dat_files
from tests.unit.conversion.packing import packed_float, packed_integer

Places = list[tuple[str, int, int]]
"""Name of a layer, start of its name, and end of its own values, in bytes."""

NEWEST = {
    "con_4": (b"con_6", b"10"),  # use_bias, use_relu
    "affine_": (b"affine_2", b"0"),  # disabled
    "relu_": (b"relu_2", b"0"),  # disabled
    "fc_2": (b"fc_3", b"1"),  # use_bias
}


@pytest.fixture
def places(descriptor_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Positions of the layers in the descriptor's file, recorded while it is read."""
    found: Places = []

    def recording(read: Callable[[Reader, str], Layer]) -> Callable[[Reader, str], Layer]:
        def recorded(reader: Reader, name: str) -> Layer:
            start = reader.position - len(name) - 2
            layer = read(reader, name)
            found.append((name, start, reader.position))
            return layer

        return recorded

    with monkeypatch.context() as patched:
        for name, read in read_layer._READERS.items():
            patched.setitem(read_layer._READERS, name, recording(read))
        read_network(descriptor_weights.read_bytes(), DESCRIPTOR)
    return found


def _rewritten(data: bytes, places: Places, versions: dict[str, tuple[bytes, bytes]]) -> bytes:
    parts: list[bytes] = []
    done = 0
    for name, start, end in places:
        new_name, flags = versions.get(name, (name.encode(), b""))
        values = data[start + 2 + len(name) : end]
        parts += [data[done:start], b"\x01", bytes([len(new_name)]), new_name, values, flags]
        done = end
    return b"".join((*parts, data[done:]))


def test_newest_version_of_every_layer_is_the_same_network(
    places: Places, descriptor: Network, descriptor_weights: Path, tmp_path: Path
) -> None:
    """Dlib loads the rewritten file too, so the format is valid."""
    assert Counter(name for name, _, _ in places)["con_4"] == 29
    data = descriptor_weights.read_bytes()
    newest = _rewritten(data, places, NEWEST)
    assert len(newest) > len(data) + 29 * 2 + 29
    weights = tmp_path / "newest.dat"
    weights.write_bytes(newest)

    assert read_network(newest, DESCRIPTOR).fingerprint() == descriptor.fingerprint()
    chips = face_chips()[:2]
    np.testing.assert_array_equal(
        reference.descriptors(weights, chips), reference.descriptors(descriptor_weights, chips)
    )


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("con_4", (b"con_6", b"11"), "fused"),
        ("con_4", (b"con_5", b"0"), "a convolution without bias"),
        ("affine_", (b"affine_2", b"1"), "a disabled affine layer"),
        ("relu_", (b"relu_2", b"1"), "a disabled relu layer"),
        ("relu_", (b"prelu_", b""), "unknown layer 'prelu_' at byte"),
        (
            "max_pool_2",
            (b"avg_pool_2", b""),
            "and Pool.kind='max', kernel=3, stride=2, padding=0. in the topology",
        ),
    ],
)
def test_rejects_unsupported_layers(
    places: Places, descriptor_weights: Path, name: str, version: tuple[bytes, bytes], message: str
) -> None:
    data = _rewritten(descriptor_weights.read_bytes(), places, {name: version})
    with pytest.raises(DatError, match=message):
        read_network(data, DESCRIPTOR)


@pytest.mark.parametrize(("gamma", "variance", "mean"), [(1e30, 1e-30, 0.0), (1e20, 1.0, 1e30)])
def test_rejects_a_normalisation_beyond_float32(gamma: float, variance: float, mean: float) -> None:
    data = bytearray(
        dat_files.descriptor(batch_normalisation=True).replace(packed_float(1e-4), packed_float(0))
    )
    layers = read_network(bytes(data), dat_files.SMALL_DESCRIPTOR).layers
    affine = next(layer for layer in layers if isinstance(layer, Affine))
    for tensor, value in zip(affine.stored, (gamma, mean, variance), strict=True):
        data[tensor.offset : tensor.offset + 4] = np.float32(value).tobytes()
    with pytest.raises(DatError, match="beyond the range of float32"):
        read_network(bytes(data), dat_files.SMALL_DESCRIPTOR)


def test_rejects_an_epsilon_beyond_float32() -> None:
    whole = dat_files.descriptor(batch_normalisation=True)
    too_large = packed_integer(1) + packed_integer(1000)
    assert packed_float(1e-4) in whole
    with pytest.raises(DatError, match="beyond the range of float32"):
        read_network(whole.replace(packed_float(1e-4), too_large), dat_files.SMALL_DESCRIPTOR)
