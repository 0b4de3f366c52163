"""Reading of an image from any source that a Python program has: a path, bytes, a file, an array, a Pillow image."""

import io
import os
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.images import pillow
from service.images.decoding import decode


class BinaryFile(Protocol):
    """A file that is open in binary mode, or a stream like it."""

    def read(self) -> bytes:
        """All bytes to the end."""


ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | NDArray[np.uint8] | Image.Image
)
"""A path; the bytes of an encoded image, or a binary file of them; an RGB array (rows, columns, 3); a Pillow image."""


def read(image: ImageSource, *, maximum_area: int, honour_orientation: bool) -> NDArray[np.uint8]:
    """The pixels of an image: (rows, columns, 3) uint8, RGB. An array is returned as it is, without a check.

    `maximum_area`, in pixels, limits an encoded image. With `honour_orientation`, an encoded image is turned upright as
    in Nextcloud (orientation.py), and a Pillow image by its EXIF.

    Raises:
        TypeError: another type.
        OSError: the file cannot be read.
        UndecodableImage, ImageTooLarge, MemoryError: as `decoding.decode`.
    """
    if isinstance(image, np.ndarray):
        return image
    if isinstance(image, Image.Image):
        return pillow.to_rgb(ImageOps.exif_transpose(image) if honour_orientation else image)
    return decode(_encoded(image), maximum_area=maximum_area, honour_orientation=honour_orientation)


def _encoded(image: object) -> bytes:
    match image:
        case str() | os.PathLike():
            return Path(image).read_bytes()
        case bytes() | bytearray() | memoryview():
            return bytes(image)
    if isinstance(image, io.TextIOBase) or not hasattr(image, "read"):
        raise TypeError(
            "an image is a path, the bytes of a file, a file that is open in binary mode ('rb'), an RGB array of numpy "
            f"or a Pillow image, not {type(image).__name__}"
        )
    data: bytes = image.read()
    return data
