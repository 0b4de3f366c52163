"""Uploads of 0.02 to 8 MB: photos in a few sizes, and metadata that fills them up."""

import random
from collections.abc import Iterator, Sequence

from benchmarks.throughput.jpeg_uploads import Image
from service.images.app_uploads import encoded, scaled

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
MEGABYTE = 1_000_000
SEGMENT = 65_533
"""Largest content of a JPEG segment in bytes: its length, with its own two bytes, is a number of 16 bits."""
START, COMMENT = b"\xff\xd8", b"\xff\xfe"
"""JPEG markers: start of the image, comment."""


def uploads(images: Sequence[Image]) -> list[bytes]:
    """A JPEG for each of SIZES."""
    return [
        filled_up(fitting(images[number % len(images)], megapixels, megabytes), megabytes, seed=number)
        for number, (megabytes, megapixels) in enumerate(SIZES)
    ]


def fitting(image: Image, megapixels: float, megabytes: float) -> bytes:
    """A JPEG of this area, as the app sends it. Raises ValueError if it is larger than this size."""
    jpeg = encoded(scaled(image, megapixels))
    if len(jpeg) > megabytes * MEGABYTE:
        raise ValueError(f"a photo of {megapixels} megapixels does not fit into {megabytes} MB")
    return jpeg


def filled_up(jpeg: bytes, megabytes: float, seed: int) -> bytes:
    """The JPEG with comments of random bytes, which do not compress, up to this size within one segment's head."""
    missing = round(megabytes * MEGABYTE) - len(jpeg)
    return START + b"".join(_comments(missing, random.Random(seed))) + jpeg[len(START) :]


def _comments(size: int, noise: random.Random) -> Iterator[bytes]:
    while size > len(COMMENT) + 2:
        content = min(size - len(COMMENT) - 2, SEGMENT)
        yield COMMENT + (content + 2).to_bytes(2, "big") + noise.randbytes(content)
        size -= content + len(COMMENT) + 2
