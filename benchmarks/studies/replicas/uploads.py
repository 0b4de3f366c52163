"""Uploads of 0.02 to 8 MB: photos in a few sizes, and metadata that fills them up."""

import random
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIZES = (
    (0.02, 0.05),
    (0.1, 0.1),
    (0.3, 0.2),
    (0.05, 0.1),
    (1.2, 0.3),
    (0.1, 0.2),
    (0.02, 0.05),
    (0.5, 0.1),
    (8.0, 0.1),
    (0.3, 1.2),
)
"""Megabytes of the upload, and megapixels of the photo, cyclic. Mostly few pixels, so that thousands take minutes."""
QUALITIES = (80, 60, 40, 20)
"""JPEG qualities, the first that fits into the upload."""
MEGABYTE = 1_000_000
SEGMENT = 65_533
"""Largest content of a JPEG segment in bytes: its length, with its own two bytes, is a number of 16 bits."""
START, COMMENT = b"\xff\xd8", b"\xff\xfe"
"""JPEG markers: start of the image, comment."""


def uploads(images: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    """A JPEG for each of SIZES. `images`: (rows, columns, 3), BGR."""
    return [
        filled_up(scaled(images[number % len(images)], megapixels, megabytes), megabytes, seed=number)
        for number, (megabytes, megapixels) in enumerate(SIZES)
    ]


def scaled(image: NDArray[np.uint8], megapixels: float, megabytes: float) -> bytes:
    """A JPEG of about this area and at most this size. Raises ValueError if none of QUALITIES fits."""
    rows, columns, _ = image.shape
    scale = (megapixels * 1e6 / (rows * columns)) ** 0.5
    small = cv2.resize(image, (round(columns * scale), round(rows * scale)), interpolation=cv2.INTER_AREA)
    for quality in QUALITIES:
        encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= megabytes * MEGABYTE:
            return encoded
    raise ValueError(f"a photo of {megapixels} megapixels does not fit into {megabytes} MB")


def filled_up(jpeg: bytes, megabytes: float, seed: int) -> bytes:
    """The JPEG with comments of random bytes, which do not compress, up to this size within one segment's head."""
    missing = round(megabytes * MEGABYTE) - len(jpeg)
    return START + b"".join(_comments(missing, random.Random(seed))) + jpeg[len(START) :]


def _comments(size: int, noise: random.Random) -> Iterator[bytes]:
    while size > len(COMMENT) + 2:
        content = min(size - len(COMMENT) - 2, SEGMENT)
        yield COMMENT + (content + 2).to_bytes(2, "big") + noise.randbytes(content)
        size -= content + len(COMMENT) + 2
