"""The photos of a case: scaled, and encoded as the app encodes them."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.closed_loop import Edges
from service.images import decoding
from service.images.decoding import ImageTooLarge, UndecodableImage

Image = NDArray[np.uint8]
"""RGB, shape (rows, columns, 3)."""

LARGEST = 10**9
"""Pixels of a photo that is looked at."""
LOOKED_AT = 40
"""Photos in which faces are looked for, at most."""
LOOKED_AT_MEGAPIXELS = 0.3
"""Their size meanwhile."""
AS_THE_APP = (
    *(cv2.IMWRITE_JPEG_QUALITY, 80),
    *(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
)
"""Uploads of the app are progressive JPEGs of quality 80, colours at half the resolution."""
MARGIN = 0.25
"""What is cut out around a face, of its width and height, on each side: the detector wants to see hair and chin."""
CELLS = 6
"""Faces of a canvas in a row, and rows: room for 36."""
BACKGROUND = 128
"""Gray."""


@dataclass(frozen=True)
class Photo:
    """A photo of the corpus, upright."""

    image: Image
    face: Image | None
    """Its surest face with some of what is around it; None where none was found."""


def chosen(paths: Sequence[Path], number: int, find: Callable[[bytes], Sequence[Edges]]) -> list[Photo]:
    """So many photos from all over the list, with faces as far as there are such: without one, most stages rest.

    Args:
        paths: where to look; at most `LOOKED_AT` of them are.
        number: how many; fewer are returned where there are no more that can be read.
        find: faces of an encoded photo, the surest first.

    Raises:
        ValueError: none can be read. One line.
    """
    step = max(len(paths) // number, 1)
    spread = (path for first in range(step) for path in paths[first::step])
    found: list[Photo] = []
    for image in _readable(itertools.islice(spread, LOOKED_AT)):
        small = scaled(image, LOOKED_AT_MEGAPIXELS)
        faces = find(encoded(small))
        found.append(Photo(image, _cut_out(small, faces[0]) if faces else None))
        found = sorted(found, key=lambda photo: photo.face is None)[:number]
        if len(found) == number and found[-1].face is not None:
            break
    if not found:
        raise ValueError(f"none of {len(paths)} photos can be read")
    return found


def _readable(paths: Iterable[Path]) -> Iterator[Image]:
    for path in paths:
        try:
            yield decoding.decode(path.read_bytes(), maximum_area=LARGEST, honour_orientation=True)
        except (UndecodableImage, ImageTooLarge, OSError):
            continue


def scaled(image: Image, megapixels: float) -> Image:
    """The photo at about this area, never above it: the app's limit is one of area."""
    rows, columns = image.shape[:2]
    factor = math.sqrt(megapixels * 1e6 / (rows * columns))
    size = (max(int(columns * factor), 1), max(int(rows * factor), 1))
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=kind), np.uint8)


def encoded(image: Image) -> bytes:
    """A JPEG as the app makes it."""
    return cv2.imencode(".jpg", image[:, :, ::-1], AS_THE_APP)[1].tobytes()


def crowded(face: Image, copies: int, megapixels: float) -> Image:
    """A gray square of this area with so many copies of a face, all of one size whatever their number."""
    side = int(math.sqrt(megapixels * 1e6))
    cell = side // CELLS
    copy = cv2.resize(face, (cell, cell), interpolation=cv2.INTER_AREA)
    canvas = np.full((side, side, 3), BACKGROUND, np.uint8)
    for number in range(copies):
        row, column = divmod(number, CELLS)
        canvas[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = copy
    return canvas


def _cut_out(image: Image, face: Edges) -> Image:
    left, top, right, bottom = face
    across, down = int(MARGIN * (right - left)), int(MARGIN * (bottom - top))
    return image[max(top - down, 0) : bottom + down + 1, max(left - across, 0) : right + across + 1]
