"""Marker segments of a JPEG file, parsed as by libjpeg-turbo.

The markers are those of ITU-T T.81, annex B. For files that violate the standard, the rules are those of libjpeg-turbo
(jdmarker.c), which decodes: it skips bytes between a segment and the next marker.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.images.errors import UndecodableImage
from service.images.memory import JPEG_COMPONENTS

START_OF_IMAGE = b"\xff\xd8"
START_OF_SCAN, APP0, APP1, ADOBE_APP14, COMMENT = 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
"""Markers by their second byte (T.81, table B.1)."""
HUFFMAN_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3})
ARITHMETIC_FRAMES = frozenset({0xC9, 0xCA, 0xCB})
FRAMES = HUFFMAN_FRAMES | ARITHMETIC_FRAMES
"""Start of frame (SOFn): baseline, extended, progressive and lossless. libjpeg-turbo refuses the other ones."""
TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
"""DHT, DAC, DQT, DNL (which libjpeg skips) and DRI."""
METADATA = frozenset({*range(APP0, 0xF0), COMMENT}) - {APP0, ADOBE_APP14}
"""APPn and COM, except the two that give the colour space: JFIF's APP0 and Adobe's APP14."""
SEGMENTS = FRAMES | TABLES | METADATA | {START_OF_SCAN, APP0, ADOBE_APP14}
"""Markers that two bytes of length follow, and after which libjpeg-turbo continues."""

MAXIMUM_SEGMENTS = 10_000
"""Limit of `segments`. 128 MiB of metadata fill 2,048 segments of the largest size. Each segment costs 0.5 us here,
independent of its size."""
MAXIMUM_SCANS = 100
"""A JPEG with more scans is refused as a decompression bomb. A scan may have 20 bytes, and costs a pass over the whole
image (up to 0.5 ms per MP). Encoders write about 10 scans, libjpeg's script for four components 18 (jcparam.c)."""
MAXIMUM_ARITHMETIC_SCANS = 20
"""As MAXIMUM_SCANS, for arithmetic coding. After the end of its data, decoding continues with zeros (jdarith.c). It
then has the full cost of 63 coefficients a block, 10 ms per MP and scan. 16 kB with 98 scans of 8.8 MP took 8.5 s."""
SAMPLE_BITS = 8
"""The only supported sample precision."""

END_OF_IMAGE = b"\xff\xd9"
"""EOI. Dlib uses libjpeg's reader of files. At the end of a file, this reader supplies EOI each time that more bytes
are needed (jdatasrc.c, fill_input_buffer). So the rest of the image is gray. A reader from memory, as OpenCV's, fails
instead."""
MAXIMUM_SEGMENT = 0xFFFF
"""Bytes of a segment after its marker, including the two bytes of its length."""

EXIF_IDENTIFIER = b"Exif\0\0"

_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""A marker other than RSTn (D0 to D7), TEM (01) and the reserved 02 to BF. These have no length, and libjpeg skips them
or stops decoding. Fill bytes (FF before a marker) and stuffed bytes (FF 00) do not match either."""


class Segment(NamedTuple):
    """A marker segment: data[start:end] is the whole segment, data[content:end] its content after the length."""

    marker: int
    start: int
    content: int
    end: int
    """Beyond the end of a file that is truncated within the segment."""


class Frame(NamedTuple):
    """Frame header (T.81, B.2.2): size in pixels, and number of colour components."""

    width: int
    height: int
    components: int


def segments(data: bytes) -> Iterator[Segment]:
    """Segments up to the first marker that ends decoding: EOI, a second SOI, or one that libjpeg-turbo refuses.

    Raises UndecodableImage if there are more than MAXIMUM_SEGMENTS.
    """
    position = 2
    number = 0
    while found := _MARKER.search(data, position):
        marker = found[1][0]
        if marker not in SEGMENTS:
            return
        number += 1
        if number > MAXIMUM_SEGMENTS:
            raise UndecodableImage(f"The JPEG has more than {MAXIMUM_SEGMENTS} marker segments.")
        content = found.end() + 2
        length = int.from_bytes(data[found.end() : content], "big")
        position = max(content, found.end() + length)  # an invalid length below 2 ends after itself
        yield Segment(marker, found.start(), content, position)


def frame(data: bytes) -> Frame:
    """Header of the first frame, the only one that libjpeg decodes.

    Raises UndecodableImage if there is none, or if it has no conversion to 8-bit RGB.
    """
    for segment in segments(data):
        if segment.marker in FRAMES:
            return _frame(data[segment.content : segment.end])
        if segment.marker == START_OF_SCAN:
            break
    raise UndecodableImage("The JPEG file ends before its frame header.")


def _frame(content: bytes) -> Frame:
    if len(content) < 6:
        raise UndecodableImage("The JPEG file ends within its frame header.")
    bits, components = content[0], content[5]
    if bits != SAMPLE_BITS or components not in JPEG_COMPONENTS:
        raise UndecodableImage(
            f"The JPEG has {components} components of {bits} bits: send 1, 3 or 4 components of 8 bits."
        )
    height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    return Frame(width, height, components)


def scan_count(parts: Sequence[Segment]) -> int:
    """Number of scans of the image."""
    return sum(part.marker == START_OF_SCAN for part in parts)


def is_arithmetic(parts: Sequence[Segment]) -> bool:
    """True if a frame is arithmetic-coded."""
    return any(part.marker in ARITHMETIC_FRAMES for part in parts)


def check_scans(parts: Sequence[Segment]) -> None:
    """Raise UndecodableImage above MAXIMUM_SCANS, or MAXIMUM_ARITHMETIC_SCANS."""
    scans, limit = scan_count(parts), MAXIMUM_ARITHMETIC_SCANS if is_arithmetic(parts) else MAXIMUM_SCANS
    if scans > limit:
        raise UndecodableImage(f"The JPEG has {scans} scans, more than {limit}: save it again, as baseline.")


def decoder_input(data: bytes, parts: Sequence[Segment]) -> bytes:
    """Input of the decoder: the file (segments `parts`) without metadata before its first scan, ended by EOI markers.

    Decoders copy or parse metadata, Pillow in time quadratic in the number of segments. From the first scan on, every
    byte is kept: a marker there also ends entropy-coded data. Raises UndecodableImage if there is no scan.
    """
    first_scan = next((part.start for part in parts if part.marker == START_OF_SCAN), None)
    if first_scan is None:
        raise UndecodableImage("The JPEG file ends before its first scan.")
    whole = memoryview(data)
    kept = [
        whole[part.start : part.end]
        for part in parts
        if part.start < first_scan and part.marker not in METADATA
    ]
    return b"".join([START_OF_IMAGE, *kept, whole[first_scan:], _end(len(data), parts[-1])])


def _end(size: int, last: Segment) -> bytes:
    """EOI markers for a file of `size` bytes: one, or enough to fill a truncated last segment.

    Not more than required: libjpeg-turbo decodes the last 512 bytes of its input by other code, and damaged blocks
    there to other pixels (jdhuff.c, decode_mcu).
    """
    return END_OF_IMAGE if last.end <= size else END_OF_IMAGE * (MAXIMUM_SEGMENT // 2 + 1)


def exif(data: bytes) -> bytes:
    """EXIF data, joined from all segments before the first scan; empty if the file has none."""
    parts = []
    for segment in segments(data):
        if segment.marker == START_OF_SCAN:
            break
        content = data[segment.content : segment.end]
        if segment.marker == APP1 and content.startswith(EXIF_IDENTIFIER):
            parts.append(content.removeprefix(EXIF_IDENTIFIER))
    return b"".join(parts)
