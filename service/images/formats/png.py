"""Chunks of a PNG file (PNG specification, third edition, section 5.3)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from service.images.errors import UndecodableImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, GRAY_ALPHA, RGB_ALPHA = 0, 4, 6
"""Colour types (section 11.2.1)."""

ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
"""Chunks of an animated PNG. libpng, and so dlib, ignores them and decodes the default image. OpenCV 5 composes the
frames, and writes past the end of its buffer for gray (grfmt_png.cpp, readData, disposal to the background)."""
COMPRESSED_METADATA = frozenset({b"iCCP", b"iTXt", b"zTXt"})
"""Chunks on which no pixel depends. libpng inflates each to up to 8 MB, and keeps all of them in memory. 1 MB of such
chunks took 6 s and 980 MB."""
DROPPED_CHUNKS = ANIMATION | COMPRESSED_METADATA

MAXIMUM_CHUNKS = 200_000
"""Limit of `chunks`: 128 MiB in pieces of under 700 bytes. Encoders write IDAT of 8 KiB and more. Each chunk costs
0.4 us here."""


class ImageHeader(NamedTuple):
    """First fields of the IHDR chunk (section 11.2.1). Width and height are in pixels."""

    width: int
    height: int
    bit_depth: int
    colour_type: int


class Chunk(NamedTuple):
    """A chunk: data[start:end] is the whole chunk, data[content:content + length] its content."""

    kind: bytes
    start: int
    content: int
    length: int
    end: int


def image_header(data: bytes) -> ImageHeader:
    """Parse IHDR. Raises UndecodableImage if it is missing or truncated."""
    if data[12:16] != b"IHDR":
        raise UndecodableImage("The PNG file does not start with its IHDR chunk.")
    try:
        return ImageHeader(*struct.unpack_from(">IIBB", data, 16))
    except struct.error as error:
        raise UndecodableImage(f"The PNG file ends within its header ({len(data)} bytes).") from error


def chunks(data: bytes) -> Iterator[Chunk]:
    """Chunks up to IEND, or to the end of a file without it.

    Raises UndecodableImage above MAXIMUM_CHUNKS, and for a chunk whose length exceeds the file. Dlib refuses such a
    file too, and OpenCV would first allocate that length, up to 2 GB.
    """
    start, kind, number = len(SIGNATURE), b"", 0
    while kind != b"IEND" and start + 8 <= len(data):
        number += 1
        if number > MAXIMUM_CHUNKS:
            raise UndecodableImage(f"The PNG has more than {MAXIMUM_CHUNKS} chunks.")
        length, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        end = start + 12 + length
        if end > len(data):
            raise UndecodableImage(
                f"The PNG file is truncated or damaged: its chunk {kind!r} has {length} bytes."
            )
        yield Chunk(kind, start, start + 8, length, end)
        start = end


def without_dropped_chunks(data: bytes) -> bytes:
    """The file without DROPPED_CHUNKS, all other bytes unchanged; `data` itself if there are none."""
    whole = memoryview(data)
    kept, begin = [], 0
    for chunk in chunks(data):
        if chunk.kind in DROPPED_CHUNKS:
            kept.append(whole[begin : chunk.start])
            begin = chunk.end
    return b"".join([*kept, whole[begin:]]) if kept else data


def content_of(data: bytes, kind: bytes) -> bytes | None:
    """Content of the first chunk of this kind; None if there is none."""
    found = next((chunk for chunk in chunks(data) if chunk.kind == kind), None)
    return None if found is None else data[found.content : found.content + found.length]
