"""Header of an image (size, format), and peak memory of its decoding. Imports no image library.

Peak memory of decoding is 2.0 to 2.7 times the pixels' own size, 3.1 for a progressive JPEG without subsampling,
3.3 for AVIF (4.6 with alpha and without subsampling; 12 bits add 1.3 by calculation), 2.9 for HEIC (6.9
for 10 bits with alpha and without subsampling), 3.6 for an animated WebP, 5.1 for a PNG of 16 bits with alpha, of which
OpenCV holds two copies of four channels, and 6.3 for such a TIFF (9.1 with six samples a pixel, uncompressed). A
progressive CMYK JPEG without subsampling takes 4.0 (PEAK_PER_BYTE, CMYK_PEAK_PER_BYTE).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

FORMATS = frozenset({"JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF"})
"""Names of the accepted formats."""

CMYK_COMPONENTS = 4
"""Colour components of a CMYK JPEG."""
JPEG_COMPONENTS = frozenset({1, 3, CMYK_COMPONENTS})
"""Supported numbers of colour components of a JPEG: gray, colour and CMYK."""

PEAK_PER_BYTE: Mapping[str, float] = MappingProxyType(
    {"JPEG": 3.1, "PNG": 5.1, "WEBP": 3.6, "AVIF": 5.9, "HEIF": 6.9, "TIFF": 9.1}
)
"""Format to its peak memory of decoding, per byte of its RGB pixels, where above OTHERS_PEAK_PER_BYTE."""
CMYK_PEAK_PER_BYTE = 4.0
"""Peak of a JPEG of four components: a progressive one without subsampling has 8 bytes of coefficients a pixel."""
OTHERS_PEAK_PER_BYTE = 2.7
"""Peak of all other formats."""


class Header(NamedTuple):
    """Size in pixels as stored, before EXIF orientation, and the format's name, one of FORMATS."""

    width: int
    height: int
    format: str
    components: int = 3
    """Colour components of a JPEG: 1, 3 or 4 (CMYK, which takes more memory); 3 for all other formats."""

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height


def decoding_bytes(found: Header) -> int:
    """Peak memory of `decode` for such an image in bytes, without the upload."""
    peak = PEAK_PER_BYTE.get(found.format, OTHERS_PEAK_PER_BYTE)
    if found.components == CMYK_COMPONENTS:
        peak = CMYK_PEAK_PER_BYTE
    return int(peak * 3 * found.area)
