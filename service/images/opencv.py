"""OpenCV's part: JPEG, PNG, WebP and BMP, with dlib's treatment of truncation, transparency and CMYK."""

import re
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.images import pillow
from service.images.errors import UndecodableImage

END_OF_IMAGE = b"\xff\xd9"
"""JPEG's last marker. libjpeg's own file reader, which dlib uses, supplies it where the file stops short
(libjpeg, jdatasrc.c), so that the rest comes out gray; a reader from memory as OpenCV's gives up instead."""

MAXIMUM_SCANS = 500
"""Above it, a JPEG is a time bomb: each scan walks over the whole image and may cost two bytes. The limit is that of
libjpeg-turbo's own tools (TJFLAG_LIMITSCANS); encoders write about 10 scans."""

OPAQUE = 255
PNG_GRAY, PNG_GRAY_ALPHA, PNG_RGB_ALPHA = 0, 4, 6
"""Colour types of a PNG (PNG specification, 11.2.1)."""

_SCAN_OR_SEGMENT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def jpeg(data: bytes) -> NDArray[np.uint8]:
    """A JPEG to (H, W, 3) RGB as dlib::jpeg_loader decodes it with libjpeg-turbo; what is cut off is gray.

    Four channels (CMYK, YCCK) go through dlib's own arithmetic, for which OpenCV gives no access to them.
    """
    scans = _scan_count(data)
    if scans > MAXIMUM_SCANS:
        raise UndecodableImage(
            f"The JPEG has {scans} scans, more than {MAXIMUM_SCANS}: save it again, as baseline."
        )
    complete = data + END_OF_IMAGE
    with pillow.opened(complete, "JPEG") as image:
        if image.mode == "CMYK":
            return over_black(pillow.adobe_cmyk(image))
    return rgb(complete)


def _scan_count(data: bytes) -> int:
    """How many scans the image has, up to its first end marker: what follows is a thumbnail, a video, or nothing."""
    scans = 0
    position = 2
    while found := _SCAN_OR_SEGMENT.search(data, position):
        marker = data[found.start() + 1]
        if marker == END_OF_IMAGE[1]:
            break
        scans += marker == 0xDA
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def png(data: bytes) -> NDArray[np.uint8]:
    """A PNG to (H, W, 3) RGB as dlib::png_loader does: alpha over black, but dropped from gray.

    One exception. Of 16 bits dlib keeps the LOW byte in colour, which is noise, and cuts gray off at 255, which is
    white: it finds no face in either. Here the high byte counts.
    """
    depth, colour_type = data[24], data[25]
    gray = colour_type in (PNG_GRAY, PNG_GRAY_ALPHA)
    transparent = colour_type == PNG_RGB_ALPHA or any(kind == b"tRNS" for kind, _ in png_chunks(data))
    if depth <= 8 and (gray or not transparent):
        return rgb(data)
    stored = _imdecode(data, cv2.IMREAD_UNCHANGED)
    if stored.ndim == 2:
        stored = stored[:, :, None].repeat(3, axis=2)
    if stored.dtype == np.uint16:
        stored = (stored >> 8).astype(np.uint8)
    if stored.shape[2] == 4 and not gray:
        return over_black(stored[:, :, [2, 1, 0, 3]])
    return np.ascontiguousarray(stored[:, :, 2::-1])


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the chunks outside of the pixels, as far as the file is whole."""
    position = 8
    while position + 8 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind != b"IDAT":
            yield kind, data[position + 8 : position + 8 + length]
        position += length + 12


def rgb(data: bytes) -> NDArray[np.uint8]:
    """Any format of OpenCV's to (H, W, 3) RGB of 8 bits, alpha dropped, not turned."""
    pixels = _imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return pixels.astype(np.uint8, copy=False)


def over_black(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) to (H, W, 3), over black as dlib does it: colour * alpha >> 8, colour itself where alpha is 255.

    dlib/pixel.h, assign from rgb_alpha_pixel to rgb_pixel. A CMYK JPEG takes the same way in dlib, C, M, Y as colour
    and K as alpha (jpeg_loader::get_image): stored inverted, as Adobe does, that is the usual conversion.
    """
    height, width, _ = rgba.shape
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, pillow.STRIP_PIXELS // width)
    for top in range(0, height, rows):
        colour, alpha = rgba[top : top + rows, :, :3], rgba[top : top + rows, :, 3:]
        product = colour * alpha.astype(np.uint16) >> 8
        pixels[top : top + rows] = np.where(alpha == OPAQUE, colour, product)
    return pixels


def _imdecode(data: bytes, flags: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UndecodableImage(f"OpenCV cannot decode the image: {error.err}") from error
    if pixels is None:
        raise UndecodableImage("The image is damaged or truncated: OpenCV decodes nothing of it.")
    return pixels
