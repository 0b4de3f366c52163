"""Encoded images to RGB arrays: header first, then the limit, then the pixels that dlib would see, then upright."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from service.images import opencv, pillow
from service.images.errors import ImageTooLarge, UndecodableImage
from service.images.headers import Header, header
from service.images.orientation import orientation, upright

__all__ = ["Header", "ImageTooLarge", "UndecodableImage", "decode", "header"]

OPENCV_DECODERS: Mapping[str, Callable[[bytes], NDArray[np.uint8]]] = MappingProxyType(
    {"JPEG": opencv.jpeg, "PNG": opencv.png, "WEBP": opencv.rgb, "BMP": opencv.rgb}
)


def decode(data: bytes, *, maximum_area: int, honour_orientation: bool) -> NDArray[np.uint8]:
    """Decodes an image to (H, W, 3) uint8, RGB, C-contiguous; of an animation, the first frame.

    `maximum_area` is in pixels. With `honour_orientation` the photo is turned as its EXIF states.
    Raises UndecodableImage or ImageTooLarge. Safe in many threads at once.
    """
    width, height, kind = header(data)
    if width * height > maximum_area:
        raise ImageTooLarge(width, height, maximum_area)
    decoder = OPENCV_DECODERS.get(kind)
    if decoder is not None:
        pixels = decoder(data)
    else:
        with pillow.opened(data, kind) as image:
            pixels = pillow.to_rgb(image)
    if pixels.shape[0] * pixels.shape[1] > maximum_area:
        raise UndecodableImage(f"The {kind} file's pixels are {pixels.shape[:2]}, its header says otherwise.")
    return upright(pixels, orientation(data, kind)) if honour_orientation else pixels
