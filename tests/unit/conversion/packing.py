"""Numbers in dlib's packed form (dlib/serialize.h and dlib/float_details.h)."""

import math

import numpy as np


def packed_integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes((size | (0x80 if value < 0 else 0),)) + abs(value).to_bytes(size, "little")


def packed_float(value: float) -> bytes:
    """A float32: 24 bits of mantissa without the zero bytes at their end, and an exponent."""
    fraction, exponent = math.frexp(float(np.float32(value)))
    mantissa, exponent = int(fraction * 2**24), exponent - 24
    for _ in range(8):
        if mantissa & 0xFF == 0:
            mantissa, exponent = (abs(mantissa) >> 8) * (1 if mantissa >= 0 else -1), exponent + 8
    return packed_integer(mantissa) + packed_integer(exponent)
