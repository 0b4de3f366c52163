"""Header of an image (size, format), and peak memory of its decoding. Imports no image library.

Measured peak memory of decoding, in bytes per byte of the RGB pixels:

    Format  Image                                              Peak
    any     all but the following                        2.0 to 2.7
    JPEG    progressive, without subsampling                    3.1
    JPEG    the same in CMYK                                    4.0
    WebP    animated                                            3.6
    PNG     16 bits with alpha                                  5.1  OpenCV holds two copies of four channels
    AVIF    any other                                           3.3
    AVIF    with alpha, without subsampling                     4.6  12 bits add 1.3 by calculation
    HEIF    any other                                           2.9
    HEIF    10 bits with alpha, without subsampling             6.9
    TIFF    16 bits with alpha                                  6.3
    TIFF    six samples a pixel, uncompressed                   9.1
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
"""Largest peak by format, from the table above. All other formats: OTHERS_PEAK_PER_BYTE."""
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


def decoding_bytes(header: Header) -> int:
    """Peak memory of decoding an image with this header, in bytes, in addition to its upload."""
    peak = PEAK_PER_BYTE.get(header.format, OTHERS_PEAK_PER_BYTE)
    if header.components == CMYK_COMPONENTS:
        peak = CMYK_PEAK_PER_BYTE
    return int(peak * 3 * header.area)
