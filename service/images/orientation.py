"""EXIF orientation, applied as in Nextcloud.

`/compute` gets rectangles in the coordinates of the photo as the Face Recognition app oriented it. So orientation is
applied here exactly where the app applies it. Sources: nextcloud/server (lib/private/Image.php at 01a1cde) and
matiasdelellis/facerecognition (lib/Helper/TempImage.php, ImageUtil.php, Imaginary.php and
lib/Command/MigrateCommand.php at v0.9.70 and at b6451bb, 0.9.95):

- JPEG: `Image::getOrientation` reads IFD0 of EXIF (`exif_read_data`), and XMP never. `face:migrate` sends a JPEG with
  an orientation as an upright PNG without metadata, and any other JPEG unchanged.
- PNG, WebP, GIF and BMP: `Image::getOrientation` returns -1 for every format but JPEG, so GD's pixels stay as stored. A
  PNG's eXIf and a WebP's EXIF chunk do not count. These files reach `/compute` unchanged; 0.9.95 sends all but JPEG and
  PNG as an upright PNG.
- TIFF, HEIC and AVIF reach `/compute` unchanged from 0.9.70 alone, if the administrator allowed the format and
  Imaginary (libvips) reads it. HEIC and AVIF are transformed by their boxes irot and imir while decoding, and their
  EXIF does not count (ISO/IEC 23008-12). TIFF is transformed by its tag.

In two cases the app is inconsistent, and its orientation differs from this service's. With Imaginary, 0.9.70 transforms
a PNG by its eXIf from orientation 5 on, and ignores 2 to 4 in every format. GD ignores the boxes of AVIF.
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
"""EXIF orientation (EXIF 2.32, tag 0x0112) to the transform from stored to upright pixels. 1 and unknown values have
none."""


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Transform (H, W, 3) as stored to (H, W, 3) or (W, H, 3) upright, C-contiguous."""
    transform = TRANSFORMS.get(orientation)
    return pixels if transform is None else np.ascontiguousarray(transform(pixels))


def orientation(data: bytes, kind: str) -> int:
    """EXIF orientation of a file of format `kind`, 1 to 8; 1 if it has none, or none that counts here.

    Unreadable metadata is ignored: the pixels may be intact.
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
    """Orientation of EXIF, never of XMP; without Pillow's JPEG reader, which is slow for many segments."""
    exif = Image.Exif()
    try:
        with pillow.quiet:
            exif.load(jpeg.exif(data))
            return _valid(exif)
    except Exception:  # Pillow's parser raises nearly every built-in exception on damaged EXIF data
        return UPRIGHT


def _avif_orientation(data: bytes) -> int:
    """Orientation of the boxes irot and imir, which Pillow returns as EXIF, never of XMP."""
    try:
        with isobmff.open_image(data, "AVIF") as image:
            # Image.getexif() falls back to XMP if EXIF has no orientation.
            image.info = {name: value for name, value in image.info.items() if name not in XMP}
            return _valid(image.getexif())
    except UndecodableImage:
        return UPRIGHT


def _valid(exif: Image.Exif) -> int:
    stated = exif.get(ExifTags.Base.Orientation)
    return stated if isinstance(stated, int) and stated in TRANSFORMS else UPRIGHT
