"""EXIF orientation: how a camera was held, and turning a photo upright as Nextcloud turns it.

`/compute` gets rectangles that the Face Recognition app found in a photo as the app turned it, so a photo is turned
here where, and only where, the app does. Read in nextcloud/server (lib/private/Image.php at 01a1cde) and in
matiasdelellis/facerecognition (lib/Helper/TempImage.php, ImageUtil.php, Imaginary.php and
lib/Command/MigrateCommand.php at v0.9.70 and at b6451bb, 0.9.95):

- JPEG: `Image::getOrientation` reads IFD0 of EXIF (`exif_read_data`), and XMP never. `face:migrate` sends a JPEG that
  is to be turned as an upright PNG without metadata, any other as it is.
- PNG, WebP, GIF and BMP: `Image::getOrientation` gives -1 for all that is no JPEG, so GD's pixels stay as stored. A
  PNG's eXIf and a WebP's EXIF chunk do not count, and these files reach `/compute` as they are (0.9.95 sends all but
  JPEG and PNG as an upright PNG).
- TIFF, HEIC and AVIF reach `/compute` as they are from 0.9.70 alone, where the administrator allowed the format and
  Imaginary (libvips) reads it. HEIC and AVIF are turned by their own boxes irot and imir while decoding, and their EXIF
  does not count, as ISO/IEC 23008-12 says. TIFF is turned by its tag.

Two cases of the app remain apart, where it does not agree with itself: with Imaginary, 0.9.70 turns a PNG by its eXIf
from orientation 5 on and leaves 2 to 4 in every format; and GD ignores the boxes of AVIF.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from service.images import pillow
from service.images.errors import UndecodableImage
from service.images.formats import isobmff, jpeg, tiff

UPRIGHT = 1
XMP = ("xmp", "XML:com.adobe.xmp")
"""Pillow's names for a file's XMP packet."""

Transform = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

TRANSFORMS: Mapping[int, Transform] = MappingProxyType(
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
    turn = TRANSFORMS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def orientation(data: bytes, kind: str) -> int:
    """The orientation that a file of format `kind` states, 1 to 8; 1 where it states none that counts here.

    Unreadable metadata is no reason to refuse a photo whose pixels are whole.
    """
    match kind:
        case "JPEG":
            return _jpeg_orientation(data)
        case "TIFF":
            return tiff.orientation(data)
        case "AVIF":
            return _avif_orientation(data)
        case _:
            return UPRIGHT


def _jpeg_orientation(data: bytes) -> int:
    """From EXIF and never from XMP; not through Pillow's JPEG reader, which takes long for many segments."""
    exif = Image.Exif()
    try:
        with pillow.quiet:
            exif.load(jpeg.exif(data))
            return _known(exif)
    except Exception:  # Pillow's parser raises nearly every built-in exception on damaged EXIF data
        return UPRIGHT


def _avif_orientation(data: bytes) -> int:
    """From the boxes irot and imir, which Pillow gives as EXIF, and never from XMP."""
    try:
        with isobmff.open_image(data, "AVIF") as image:
            # Image.getexif() looks into XMP where EXIF has no orientation.
            image.info = {name: value for name, value in image.info.items() if name not in XMP}
            return _known(image.getexif())
    except UndecodableImage:
        return UPRIGHT


def _known(exif: Image.Exif) -> int:
    stated = exif.get(ExifTags.Base.Orientation)
    return stated if isinstance(stated, int) and stated in TRANSFORMS else UPRIGHT
