"""Decoding by OpenCV: JPEG, PNG, WebP and BMP, with dlib's treatment of truncation, transparency and CMYK."""

import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.images import pillow
from service.images.errors import UndecodableImage
from service.images.formats.jpeg import check_scans, decoder_input, frame, segments
from service.images.formats.png import (
    GRAY,
    GRAY_ALPHA,
    RGB_ALPHA,
    content_of,
    image_header,
    without_dropped_chunks,
)
from service.images.memory import CMYK_COMPONENTS

BGRA_CHANNELS = 4
OPAQUE = 255
OUT_OF_MEMORY = (f"({cv2.Error.STS_NO_MEM}:", "bad_alloc")
"""Parts of the text of an OpenCV error after a failed allocation. The error's attributes are no alternative: they are
set on its class, and so shared by the errors of all threads."""


def jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG to (H, W, 3) RGB, as dlib::jpeg_loader does with libjpeg-turbo; a missing end is gray.

    Four channels (CMYK, YCCK) are converted by dlib's formula. OpenCV gives no access to them, so Pillow decodes.
    """
    found, parts = frame(data), list(segments(data))
    check_scans(parts)
    complete = decoder_input(data, parts)
    if found.components == CMYK_COMPONENTS:
        with pillow.open_image(complete, "JPEG") as image:
            return pillow.by_strips(image, _adobe_cmyk_to_rgb)
    return rgb(complete)


def _adobe_cmyk_to_rgb(strip: Image.Image) -> NDArray[np.uint8]:
    # Pillow undoes Adobe's inversion, even in files without it (JpegImagePlugin); dlib leaves it in place.
    stored = np.bitwise_not(np.asarray(strip))
    return over_black(stored[:, :, :3], stored[:, :, 3:])


def png(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG to (H, W, 3) RGB, as dlib::png_loader does: alpha over black, but dropped from gray.

    One exception, 16 bits: dlib keeps the LOW byte of colours, which is noise, and clips gray at 255, which is white.
    So it finds no face in either. Here the high byte is kept.
    """
    colour_type = image_header(data).colour_type
    image = without_dropped_chunks(data)
    transparent = colour_type == RGB_ALPHA or content_of(data, b"tRNS") is not None
    if colour_type in (GRAY, GRAY_ALPHA) or not transparent:
        return rgb(image)
    bgra = _imdecode(image, cv2.IMREAD_UNCHANGED)
    if bgra.shape[2:] != (BGRA_CHANNELS,):
        return rgb(image)  # libpng ignores a tRNS chunk that is damaged, or after the pixels
    if bgra.dtype == np.uint16:
        bgra = _high_bytes(bgra)
    return over_black(bgra[:, :, 2::-1], bgra[:, :, 3:])


def _high_bytes(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The high bytes of (H, W, C) of 16 bits, as a view, without a second array."""
    bytes_of_each = samples.view(np.uint8).reshape(*samples.shape, 2)
    return bytes_of_each[:, :, :, 1 if sys.byteorder == "little" else 0]


def rgb(data: bytes) -> NDArray[np.uint8]:
    """Decode any of OpenCV's formats to (H, W, 3) uint8, RGB, without alpha, as stored (not oriented)."""
    pixels = _imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return pixels.astype(np.uint8, copy=False)


def over_black(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composition over black as in dlib: colour * alpha >> 8, and colour where alpha is 255.

    `colour` is (H, W, 3), `alpha` is (H, W, 1), the result (H, W, 3).

    dlib/pixel.h, assign from rgb_alpha_pixel to rgb_pixel. Dlib converts a CMYK JPEG in the same way, with C, M, Y as
    colour and K as alpha (jpeg_loader::get_image). For Adobe's inverted values, this is the usual formula.
    """
    height, width, _ = colour.shape
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, pillow.STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        product = colour[strip] * alpha[strip].astype(np.uint16) >> 8
        pixels[strip] = np.where(alpha[strip] == OPAQUE, colour[strip], product)
    return pixels


def _imdecode(data: bytes, flags: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise MemoryError("OpenCV has no memory for the image") from error  # not a fault of the file
        raise UndecodableImage(f"OpenCV cannot decode the image: {error.err}") from error
    if pixels is None:
        raise UndecodableImage("The image is damaged or truncated: OpenCV decodes nothing of it.")
    return pixels
