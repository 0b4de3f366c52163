"""Decoding of images to RGB arrays: header, limit, pixels as dlib decodes them, orientation.

The table DECODERS assigns a library to each format. OpenCV 5.0 decodes JPEG, PNG, WebP and BMP. Its pixels equal
those of dlib.load_rgb_image in a dlib built on libjpeg-turbo. It is faster than Pillow, in ms per MP and one thread:
JPEG 2.5 against 3.5, progressive 5.7 against 6.5, PNG 21 against 25, WebP 5.5 against 7.7, BMP 0.7 against 1.7.
Pillow 13 decodes the rest:

- CMYK JPEG: OpenCV's conversion differs by 1 from Pillow's and by more from dlib's. OpenCV does not expose the four
  channels that dlib's formula needs.
- GIF and AVIF: the same pixels, but OpenCV takes 19 ms per MP for either, Pillow 6.4 and 6.7.
- TIFF: OpenCV rounds 16 bits and CMYK differently (off by 1), is no faster, and prints libtiff's messages.
- HEIF: OpenCV does not read it; libheif does (pillow-heif).

Dlib's pixels are matched bit for bit, truncated JPEGs, CMYK and transparent PNGs included, with these exceptions:

- 16-bit PNG: scaled here; dlib keeps the low byte of colours, and cuts gray off at 255.
- A CMYK JPEG is composed over black; dlib composes over the content of an uninitialised array.
- A progressive JPEG cut off before its last scans: libjpeg-turbo 3.0.1 corrected the smoothing of missing data. A
  dlib built on an older version differs by up to 15 levels.
- A JPEG of more than 100 scans is refused as a decompression bomb, an arithmetic-coded one of more than 20.

JPEG 2000 and PPM are not accepted: cameras and phones do not write them, and their decoders are too expensive. A JPEG
2000 file of 128 bytes with 65,535 tiles took 621 MB, a PPM with 1 MB of comments 24 s. No accepted format reaches these
decoders. Pillow's TIFF reader and OpenCV's BMP reader have no such compression. The libheif of pillow-heif comes with a
decoder for HEVC alone.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from service.images import opencv
from service.images.errors import ImageTooLarge, UndecodableImage, only_image_errors
from service.images.formats import gif, isobmff, tiff
from service.images.headers import header
from service.images.memory import Header, decoding_bytes
from service.images.orientation import orientation, upright

__all__ = [
    "DECODERS",
    "Header",
    "ImageTooLarge",
    "UndecodableImage",
    "checked_header",
    "decode",
    "decoding_bytes",
    "header",
]

DECODERS: Mapping[str, Callable[[bytes], NDArray[np.uint8]]] = MappingProxyType(
    {
        "JPEG": opencv.jpeg,
        "PNG": opencv.png,
        "WEBP": opencv.rgb,
        "BMP": opencv.rgb,
        "GIF": gif.rgb,
        "TIFF": tiff.rgb,
        "AVIF": isobmff.avif,
        "HEIF": isobmff.heif,
    }
)
"""Format to its decoder, which returns (H, W, 3) uint8, RGB, as stored (not oriented)."""


@only_image_errors()
def checked_header(data: bytes, maximum_area: int) -> Header:
    """Parse the header of an image of at most `maximum_area` pixels.

    Raises UndecodableImage, ImageTooLarge or MemoryError, and nothing else.
    """
    found = header(data)
    if found.area > maximum_area:
        raise ImageTooLarge(found.width, found.height, maximum_area)
    return found


@only_image_errors()
def decode(data: bytes, *, maximum_area: int, honour_orientation: bool) -> NDArray[np.uint8]:
    """Decode an image to (H, W, 3) uint8, RGB, C-contiguous; of an animation, the first frame.

    `maximum_area` is in pixels. With `honour_orientation` the photo is oriented as in Nextcloud (orientation.py).
    Raises UndecodableImage, ImageTooLarge or MemoryError, and nothing else. Thread-safe.
    """
    kind = checked_header(data, maximum_area).format
    pixels = DECODERS[kind](data)
    if pixels.shape[0] * pixels.shape[1] > maximum_area:
        raise UndecodableImage(
            f"The {kind} file's pixels are {pixels.shape[:2]}, its header gives another size."
        )
    return upright(pixels, orientation(data, kind)) if honour_orientation else pixels
