"""The primitives, against bytes derived from dlib/serialize.h."""

import math
import struct
import tracemalloc

import numpy as np
import pytest

from conversion.dat.primitives import DatError, Reader, unpacked
from tests.unit.conversion.packing import packed_float


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x01\x00", 0),
        (b"\x01\x50", 80),
        (b"\x81\x0a", -10),
        (b"\x02\x34\x12", 0x1234),
        (b"\x08" + b"\xff" * 7 + b"\x7f", 2**63 - 1),
    ],
)
def test_reads_packed_integers(data: bytes, value: int) -> None:
    reader = Reader(data)
    assert reader.integer("a number") == value
    reader.end()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated at byte 0"),
        (b"\x02\x34", "needs 2 bytes and 1 are left"),
        (b"\x00", "0x00 starts no integer"),
        (b"\x09" + b"\x01" * 9, "0x09 starts no integer"),
        (b"\x41\x01", "0x41 starts no integer"),
        (b"\x08" + b"\xff" * 8, "is not within"),
    ],
)
def test_rejects_invalid_integers(data: bytes, message: str) -> None:
    with pytest.raises(DatError, match=message):
        Reader(data).integer("a number")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x01\x10\x81\x04", 1.0),
        (b"\x81\x03\x81\x01", -1.5),
        (b"\x01\x00\x02\x00\x7d", math.inf),
        (b"\x01\x00\x02\x01\x7d", -math.inf),
        (b"0.25 ", 0.25),
        (b"-1.5e-3 ", -0.0015),
        (b"inf ", math.inf),
        (b"ninf ", -math.inf),
    ],
)
def test_reads_floats_in_packed_and_old_text_form(data: bytes, value: float) -> None:
    reader = Reader(data)
    assert reader.floating("a float") == value
    reader.end()


@pytest.mark.parametrize("data", [b"\x01\x00\x02\x02\x7d", b"NaN "])
def test_finite_rejects_nan(data: bytes) -> None:
    assert math.isnan(Reader(data).floating("a float"))
    with pytest.raises(DatError, match="nan, not a finite number"):
        Reader(data).finite("a float")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x01\x01\x02\xff\x7d", "the exponent 32255 has no meaning"),
        (b"\x01\x01\x02\x00\x70", "no float64"),
        (b"\x01\x01\x03\x00\x00\x01", "is not within -32768 to 32767"),
        (b"1_0 ", "is no number"),
        (b"nan ", "is no number"),
        (b"1" * 70, "nor in its old text form"),
    ],
)
def test_rejects_invalid_floats(data: bytes, message: str) -> None:
    with pytest.raises(DatError, match=message):
        Reader(data).floating("a float")


def test_booleans_are_ascii_digits() -> None:
    reader = Reader(b"102")
    assert reader.boolean("a flag") is True
    assert reader.boolean("a flag") is False
    with pytest.raises(DatError, match="b'2' is no boolean"):
        reader.boolean("a flag")


def test_tensor_is_a_view_with_its_offset() -> None:
    values = np.arange(6, dtype="<f4")
    data = b"\x01\x02" + b"\x01\x01\x01\x02\x01\x03\x01\x01" + values.tobytes()
    tensor = Reader(data).tensor("a tensor")
    assert tensor.values.shape == (1, 2, 3, 1)
    assert tensor.offset == 10
    np.testing.assert_array_equal(tensor.values.ravel(), values)
    assert not tensor.values.flags.owndata


def test_empty_tensor_may_declare_huge_extents() -> None:
    huge = b"\x08" + b"\xff" * 7 + b"\x7f"
    assert Reader(b"\x01\x02" + b"\x01\x00" + huge * 3).tensor("a tensor").values.size == 0


def test_checks_a_declared_size_before_allocation() -> None:
    four_billion = b"\x05" + struct.pack("<Q", 2**32)[:5]
    tracemalloc.start()
    try:
        with pytest.raises(DatError, match="needs 4294967296 bytes and 4 are left"):
            Reader(four_billion + b"abcd").string("a string")
        with pytest.raises(DatError, match="a tensor of 4294967296x4294967296x1x1 floats"):
            Reader(b"\x01\x02" + four_billion * 2 + b"\x01\x01" * 2).tensor("a tensor")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_rejects_trailing_bytes() -> None:
    with pytest.raises(DatError, match="3 bytes follow the end of the network at byte 0"):
        Reader(b"abc").end()


FLOATS = np.random.default_rng(11).normal(0, 1, 3000).astype(np.float32)
FLOATS[::7] = np.round(FLOATS[::7], 1)
FLOATS[::11] = np.round(FLOATS[::11] * 8) / 8
FLOATS[::13] = 0


def test_float32_records_equal_floats_read_one_by_one() -> None:
    data = b"".join(packed_float(value) for value in FLOATS)
    sizes = {len(packed_float(value)) for value in FLOATS}
    assert sizes == {4, 5, 6}  # every length of a mantissa
    at_once, one_by_one = Reader(data), Reader(data)
    values = unpacked(at_once.float32_records(len(FLOATS), "floats"))
    assert values.tobytes() == np.array([one_by_one.finite("a float") for _ in FLOATS], np.float32).tobytes()
    at_once.end()


def test_float32_records_stop_at_the_count() -> None:
    reader = Reader(b"".join(packed_float(value) for value in FLOATS))
    records = reader.float32_records(1000, "floats") + reader.float32_records(0, "none")
    assert (unpacked(records) == FLOATS[:1000]).all()
    assert reader.finite("the next") == FLOATS[1000]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated at byte 0"),
        (b"\x03\x01\x02\x03\x81", "truncated at byte 5"),
        (b"\x03\x01\x02\x03\x81\x10\x01", "truncated at byte 7"),
        (b"\x01\x10\x02\x00\x7d", "inf, not a finite number"),
        (b"\x04\x01\x02\x03\x04\x81\x10", "not packed as a float32"),
        (b"0.25 0.25 ", "not packed as a float32"),
        (b"\x40\x10\x81\x04", "a float neither in dlib's packed form"),
    ],
)
def test_rejects_invalid_float32_records(data: bytes, message: str) -> None:
    with pytest.raises(DatError, match=message):
        Reader(data).float32_records(2, "floats")


def test_rejects_a_float_too_large_for_float32() -> None:
    records = Reader(b"\x03\x01\x02\x03\x01\xf0").float32_records(1, "a float")
    with pytest.raises(DatError, match="too large for a float32"):
        unpacked(records)
