"""Header parsing: format and size of an image.

The headers of JPEG, PNG, GIF, TIFF and WebP are parsed without Pillow. Pillow rejects JPEGs and PNGs for faults that
libjpeg and libpng tolerate, and is slow for a JPEG of many segments. It allocates a WebP's whole canvas on opening, and
applies its own limit to a GIF before its size is known.
"""

import struct

from service.images import pillow
from service.images.errors import UndecodableImage
from service.images.formats import gif, isobmff, jpeg, png, tiff
from service.images.memory import Header

ISO_MEDIA = "AVIF or HEIF"
"""The ISO base media format: its content, not its signature, gives the image format, or shows that it is a video."""
# "BM" alone would match any text that starts with it: Pillow's reader checks the rest.
SIGNATURES: tuple[tuple[str, int, tuple[bytes, ...]], ...] = (
    ("JPEG", 0, (b"\xff\xd8\xff",)),
    ("PNG", 0, (png.SIGNATURE,)),
    ("WEBP", 8, (b"WEBP",)),
    ("GIF", 0, (b"GIF87a", b"GIF89a")),
    ("BMP", 0, (b"BM",)),
    ("TIFF", 0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (ISO_MEDIA, 4, (b"ftyp", *isobmff.QUICKTIME)),
)
"""Format, byte offset of its signature, and its possible signatures; the first match counts."""


def header(data: bytes) -> Header:
    """Parse the header of an encoded image, without decoding a pixel or allocating memory in proportion to the area.

    Raises UndecodableImage if the format is unknown or the header is damaged.
    """
    kind, components = _format(data), 3
    try:
        match kind:
            case "JPEG":
                width, height, components = jpeg.frame(data)
            case "PNG":
                width, height, *_ = png.image_header(data)
            case "GIF":
                width, height = gif.first_frame(data)[:2]
            case "WEBP":
                width, height = _webp_size(data)
            case "TIFF":
                width, height = tiff.size(data)
            case "AVIF or HEIF":
                width, height, kind = isobmff.header(data)
            case _:
                with pillow.open_image(data, kind) as image:
                    width, height = image.size
    except (struct.error, IndexError) as error:
        raise UndecodableImage(f"The {kind} file ends within its header ({len(data)} bytes).") from error
    if width < 1 or height < 1:
        raise UndecodableImage(f"The {kind} header gives a size of {width} x {height} pixels.")
    return Header(width, height, kind, components)


def _format(data: bytes) -> str:
    for kind, offset, signatures in SIGNATURES:
        if data.startswith(signatures, offset):
            return kind
    known = ", ".join(kind for kind, _, _ in SIGNATURES)
    raise UndecodableImage(
        f"The {len(data)} bytes do not start like an image; known formats: {known}. JPEG 2000 and PPM are not accepted."
    )


def _webp_size(data: bytes) -> tuple[int, int]:
    """Size of the canvas, or of the picture in a file without one (RFC 9649, sections 2.5 to 2.7 and 3.4)."""
    if not data.startswith(b"RIFF"):
        # OpenCV selects its decoder by the first bytes, and would select that of another format.
        raise UndecodableImage("The WebP file does not start with RIFF.")
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            (packed,) = struct.unpack_from("<I", data, 21)
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
    raise UndecodableImage("The WebP file starts with no picture.")
