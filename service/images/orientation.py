"""EXIF orientation: how a camera was held, and turning its photo upright."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from service.images import pillow, tiff
from service.images.errors import UndecodableImage
from service.images.opencv import png_chunks

UPRIGHT = 1

Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

TURNS: Mapping[int, Turn] = MappingProxyType(
    {
        2: lambda stored: stored[:, ::-1],
        3: lambda stored: stored[::-1, ::-1],
        4: lambda stored: stored[::-1],
        5: lambda stored: stored.swapaxes(0, 1),
        6: lambda stored: stored[::-1].swapaxes(0, 1),
        7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
        8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
    }
)
"""From the pixels as stored to the photo as seen (EXIF 2.32, tag 0x0112); 1 and unknown values leave it as it is."""


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """(H, W, 3) as stored to (H, W, 3) or (W, H, 3) as seen, C-contiguous."""
    turn = TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def orientation(data: bytes, kind: str) -> int:
    """The orientation that a file of format `kind` states, 1 to 8; 1 where it states none that can be read.

    Unreadable metadata is no reason to refuse a photo whose pixels are whole. HEIF and TIFF give 1: libheif and
    Pillow turn their pixels while decoding, whatever is asked. AVIF's own turn and mirror (irot, imir) come as EXIF
    orientation from Pillow. Pillow looks into XMP where there is no EXIF, in every format but PNG and WebP.
    """
    match kind:
        case "HEIF":
            return UPRIGHT
        case "TIFF":
            return tiff.orientation(data)
        case "PNG":
            return _from_exif(next((content for name, content in png_chunks(data) if name == b"eXIf"), b""))
        case "WEBP":
            return _from_exif(_riff_chunk(data, b"EXIF"))
        case _:
            try:
                with pillow.opened(data, kind) as image:
                    return _known(image.getexif())
            except UndecodableImage:
                return UPRIGHT


def _from_exif(content: bytes) -> int:
    exif = Image.Exif()
    try:
        with pillow.quiet:
            exif.load(content)
            return _known(exif)
    except Exception:  # Pillow's parser lets out what it will; see orientation()
        return UPRIGHT


def _known(exif: Image.Exif) -> int:
    stated = exif.get(ExifTags.Base.Orientation)
    return stated if isinstance(stated, int) and stated in TURNS else UPRIGHT


def _riff_chunk(data: bytes, wanted: bytes) -> bytes:
    position = 12
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == wanted:
            return data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    return b""
