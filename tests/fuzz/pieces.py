"""A byte string in pieces, as a network may bring it."""

import zlib

SIZES = (1 << 20, 1, 7, 64, 1000)
"""Bytes of a piece."""

MOST = 50
"""Pieces of that size; what is left comes at once, since each costs a round of the event loop."""


def pieces(data: bytes) -> list[bytes]:
    """Pieces of one size, which depends on nothing but the data, so that an input behaves the same again."""
    checksum = zlib.crc32(data)
    size = SIZES[checksum % len(SIZES)]
    start = checksum // len(SIZES) % 2 * max(len(data) - MOST * size, 0)
    end = start + MOST * size
    small = [data[at : min(at + size, end)] for at in range(start, min(end, len(data)), size)]
    return [piece for piece in (data[:start], *small, data[end:]) if piece]
