"""Splits a byte string into pieces, as a network may deliver it."""

import zlib

SIZES = (1 << 20, 1, 7, 64, 1000)
"""Bytes per piece."""

MOST = 50
"""Number of pieces of that size; the rest is one piece, since each costs an iteration of the event loop."""


def pieces(data: bytes) -> list[bytes]:
    """Pieces of one size, which depends on the data alone, so that an input is reproducible."""
    checksum = zlib.crc32(data)
    size = SIZES[checksum % len(SIZES)]
    start = checksum // len(SIZES) % 2 * max(len(data) - MOST * size, 0)
    end = start + MOST * size
    small = [data[at : min(at + size, end)] for at in range(start, min(end, len(data)), size)]
    return [piece for piece in (data[:start], *small, data[end:]) if piece]
