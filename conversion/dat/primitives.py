"""The primitives of dlib's serialization: packed integers, floats, strings, tensors.

A `Reader` reads a byte string front to back. A file may be hostile: a declared size is checked against the remaining
bytes before any allocation, tensors are views of the file's bytes, and there is no recursion. So memory stays near the
size of the file.

Source: dlib/serialize.h (ser_helper::unpack_int, deserialize_floating_point), dlib/float_details.h and
dlib/cuda/tensor.h (deserialize of resizable_tensor and alias_tensor).
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

_SIGN_BIT = 0x80
_RESERVED_BITS = 0x70
_SIZE_BITS = 0x0F
_MAXIMUM_INTEGER = 8
"""Most bytes of an integer. The control byte before them: sign, three reserved bits (zero), and their number."""

_INFINITY, _NEGATIVE_INFINITY, _NAN = 32000, 32001, 32002
"""Exponents of infinities and NaN (float_details::is_inf and its neighbours)."""

_TENSOR_VERSION = 2
_ALIAS_TENSOR_VERSION = 1
_DIMENSIONS = ("samples", "channels", "rows", "columns")
_FLOAT32 = np.dtype("<f4")

_ASCII_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ASCII_NAMES = {b"inf": math.inf, b"ninf": -math.inf, b"NaN": math.nan}
_MAXIMUM_ASCII = 64
"""Bytes searched for the space that ends a float of the old text form; dlib wrote at most 35 digits."""

_INT64 = (-(2**63), 2**63 - 1)

_FLOAT32_SIZE = 6
"""Bytes of a packed float32. One of 256 is shorter, since dlib omits the zero bytes at the end of a mantissa."""
_FLOAT32_FORM = rb"[\x03\x83]...[\x01\x81]."
_SHORT_FLOAT32_FORM = rb"(?:[\x02\x82]..|[\x01\x81].)[\x01\x81]."
_FLOAT32_RUNS = re.compile(rb"(?s:(?:%b)++|%b)" % (_FLOAT32_FORM, _SHORT_FLOAT32_FORM))


class DatError(ValueError):
    """A file of another kind, of an unsupported form, truncated or corrupt."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """Float tensor of a file, and its position there."""

    values: NDArray[np.float32]
    """Shape (samples, channels, rows, columns); a read-only view of the file's bytes."""
    offset: int
    """Position of the first float in the file, in bytes; floats have 4 bytes each, little endian."""


class Reader:
    """Sequential reader of a file's bytes.

    Every method takes `what`, the name of the value for error messages. It raises DatError with the position if the
    bytes end early or do not encode such a value.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def integer(self, what: str, least: int = _INT64[0], most: int = _INT64[1]) -> int:
        start = self.position
        control = self._take(1, what)[0]
        size = control & _SIZE_BITS
        if control & _RESERVED_BITS or not 1 <= size <= _MAXIMUM_INTEGER:
            self._corrupt(start, what, f"the control byte 0x{control:02x} starts no integer")
        value = int.from_bytes(self._take(size, what), "little")
        if control & _SIGN_BIT:
            value = -value
        if not least <= value <= most:
            self._corrupt(start, what, f"{value} is not within {least} to {most}")
        return value

    def version(self, what: str, *known: int) -> int:
        start = self.position
        value = self.integer(f"version of {what}")
        if value not in known:
            self._corrupt(
                start, what, f"version {value}, known is {' or '.join(str(number) for number in known)}"
            )
        return value

    def byte(self, what: str) -> int:
        return self._take(1, what)[0]

    def boolean(self, what: str) -> bool:
        start = self.position
        value = self._take(1, what)
        if value not in (b"0", b"1"):
            self._corrupt(start, what, f"{value!r} is no boolean (an ASCII 0 or 1)")
        return value == b"1"

    def floating(self, what: str) -> float:
        """Float or double: mantissa and exponent, or the text form of dlib before version 18."""
        start = self.position
        if self._peek() & _RESERVED_BITS:
            return self._ascii_floating(what)
        mantissa = self.integer(what)
        exponent = self.integer(what, -(2**15), 2**15 - 1)
        if exponent >= _INFINITY:
            named = {_INFINITY: math.inf, _NEGATIVE_INFINITY: -math.inf, _NAN: math.nan}
            if exponent not in named:
                self._corrupt(start, what, f"the exponent {exponent} has no meaning")
            return named[exponent]
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError:
            self._corrupt(start, what, f"{mantissa} times 2 to the {exponent} is no float64")

    def finite(self, what: str) -> float:
        start = self.position
        value = self.floating(what)
        if not math.isfinite(value):
            self._corrupt(start, what, f"{value}, not a finite number")
        return value

    def float32_records(self, count: int, what: str) -> bytes:
        """Bytes of `count` consecutive packed floats, for `unpacked`; millions of floats a second.

        Raises DatError as `finite` does, and for a number that is not packed as a float32.
        """
        found = _float32_forms(count).match(self._data, self.position)
        span = found[0] if found else b""
        records = span if len(span) == count * _FLOAT32_SIZE else _FLOAT32_RUNS.sub(_filled_up, span)
        self.position += len(span)
        if len(records) < count * _FLOAT32_SIZE:
            start = self.position
            value = self.finite(what)
            self._corrupt(start, what, f"{value} is not packed as a float32 is")
        return records

    def string(self, what: str) -> str:
        size = self.integer(f"length of {what}", 0)
        return self._take(size, what).decode("latin-1")

    def tensor(self, what: str) -> Tensor:
        self.version(f"the tensor {what}", _TENSOR_VERSION)
        shape = self._dimensions(what)
        size = math.prod(shape) * _FLOAT32.itemsize
        self._require(size, f"{what}, a tensor of {'x'.join(str(extent) for extent in shape)} floats,")
        offset = self.position
        self.position += size
        if size == 0:
            # Not reshaped: the other extents may exceed numpy's limits.
            return Tensor(np.empty((0, 0, 0, 0), np.float32), offset)
        values = np.frombuffer(self._data, _FLOAT32, math.prod(shape), offset).reshape(shape)
        return Tensor(values, offset)

    def alias(self, what: str) -> tuple[int, ...]:
        """Shape of a layer's view of a part of its parameters (alias_tensor)."""
        self.version(f"the alias tensor {what}", _ALIAS_TENSOR_VERSION)
        return self._dimensions(what)

    def end(self) -> None:
        """Raise DatError if bytes are left."""
        left = len(self._data) - self.position
        if left:
            raise DatError(f"{left} bytes follow the end of the network at byte {self.position}")

    def _dimensions(self, what: str) -> tuple[int, ...]:
        return tuple(self.integer(f"{name} of {what}", 0) for name in _DIMENSIONS)

    def _ascii_floating(self, what: str) -> float:
        start = self.position
        end = self._data.find(b" ", start, start + _MAXIMUM_ASCII)
        if end < 0:
            self._corrupt(start, what, "a float neither in dlib's packed form nor in its old text form")
        text = self._data[start:end]
        self.position = end + 1
        if text in _ASCII_NAMES:
            return _ASCII_NAMES[text]
        if not _ASCII_NUMBER.fullmatch(text):
            self._corrupt(start, what, f"{text!r} is no number")
        return float(text)

    def _peek(self) -> int:
        return self._data[self.position] if self.position < len(self._data) else 0

    def _take(self, count: int, what: str) -> bytes:
        self._require(count, what)
        start = self.position
        self.position += count
        return self._data[start : self.position]

    def _require(self, count: int, what: str) -> None:
        left = len(self._data) - self.position
        if count > left:
            raise DatError(
                f"truncated at byte {len(self._data)}, or corrupt: {what} at byte {self.position} "
                f"needs {count} bytes and {left} are left"
            )

    def _corrupt(self, position: int, what: str, reason: str) -> NoReturn:
        raise DatError(f"corrupt at byte {position}, {what}: {reason}")


@lru_cache
def _float32_forms(count: int) -> re.Pattern[bytes]:
    return re.compile(rb"(?s:%b|%b){0,%d}+" % (_FLOAT32_FORM, _SHORT_FLOAT32_FORM, count))


def _filled_up(run: re.Match[bytes]) -> bytes:
    """A float with a short mantissa, extended to the full size; or a run of full-size floats, unchanged."""
    packed = run[0]
    size = packed[0] & _SIZE_BITS
    more = 3 - size
    return bytes((packed[0] + more,)) + packed[1 : 1 + size] + bytes(more) + packed[1 + size :]


def unpacked(records: bytes) -> NDArray[np.float32]:
    """Float32 values of `Reader.float32_records`, or of several of them concatenated.

    Raises DatError for a number too large for a float32.
    """
    columns = np.frombuffer(records, np.uint8).reshape(-1, _FLOAT32_SIZE).T.astype(np.int32)
    control, low, middle, high, exponent_control, exponent = columns
    mantissa = low | middle << 8 | high << 16
    np.negative(mantissa, out=mantissa, where=control >= _SIGN_BIT)
    np.negative(exponent, out=exponent, where=exponent_control >= _SIGN_BIT)
    with np.errstate(over="ignore"):
        values = np.ldexp(mantissa.astype(np.float32), exponent)
    if not np.isfinite(values).all():
        raise DatError("corrupt: a number that is too large for a float32")
    return values
