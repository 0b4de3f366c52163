"""Photos of a scenario: chosen from a corpus, with crops of their faces, and canvases of many faces."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.closed_loop import FaceBox
from service.images import decoding
from service.images.app_uploads import encoded, scaled
from service.images.decoding import ImageTooLarge, UndecodableImage

Image = NDArray[np.uint8]
"""RGB, shape (rows, columns, 3)."""

PIXEL_LIMIT = 10**9
"""Pixel limit of the corpus photos: none in practice."""
SEARCHED = 40
"""Maximum number of photos in which faces are searched."""
SEARCHED_MEGAPIXELS = 0.3
"""Photo size for that search."""
MARGIN = 0.25
"""Margin of a face crop on each edge, as a share of its width and height: the detector needs hair and chin."""
CELLS = 6
"""Grid of a canvas: 6 x 6 faces."""
BACKGROUND = 128
"""Gray level of the canvas."""


@dataclass(frozen=True)
class SourcePhoto:
    """Decoded photo of the corpus, upright."""

    image: Image
    face: Image | None
    """Crop of the face with the highest confidence, with `MARGIN`; None without a face."""


def chosen(
    paths: Sequence[Path], number: int, find: Callable[[bytes], Sequence[FaceBox]]
) -> list[SourcePhoto]:
    """Select photos spread over the list, preferably with faces: without one, most stages have no work.

    Args:
        paths: candidates; at most `SEARCHED` of them are decoded.
        number: number of photos; fewer are returned if fewer are readable.
        find: detects the faces of an encoded photo, in descending confidence.

    Raises:
        ValueError: no photo is readable. One line.
    """
    step = max(len(paths) // number, 1)
    spread = (path for first in range(step) for path in paths[first::step])
    found: list[SourcePhoto] = []
    for image in readable(itertools.islice(spread, SEARCHED)):
        small = scaled(image, SEARCHED_MEGAPIXELS)
        faces = find(encoded(small))
        found.append(SourcePhoto(image, _cut_out(small, faces[0]) if faces else None))
        found = sorted(found, key=lambda photo: photo.face is None)[:number]
        if len(found) == number and found[-1].face is not None:
            break
    if not found:
        raise ValueError(f"none of {len(paths)} photos is readable")
    return found


def readable(paths: Iterable[Path]) -> Iterator[Image]:
    """The decoded photos, upright, without those that cannot be decoded."""
    for path in paths:
        try:
            yield decoding.decode(path.read_bytes(), maximum_area=PIXEL_LIMIT, honour_orientation=True)
        except (UndecodableImage, ImageTooLarge, OSError):
            continue


def upload(photo: Path, megapixels: float) -> bytes:
    """A photo as the app sends it. Raises OSError, UndecodableImage."""
    image = decoding.decode(photo.read_bytes(), maximum_area=PIXEL_LIMIT, honour_orientation=True)
    return encoded(scaled(image, megapixels))


def crowded(face: Image, copies: int, megapixels: float) -> Image:
    """Gray square of this area with copies of a face, whose size does not depend on their number."""
    side = int(math.sqrt(megapixels * 1e6))
    cell = side // CELLS
    copy = cv2.resize(face, (cell, cell), interpolation=cv2.INTER_AREA)
    canvas = np.full((side, side, 3), BACKGROUND, np.uint8)
    for number in range(copies):
        row, column = divmod(number, CELLS)
        canvas[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = copy
    return canvas


def _cut_out(image: Image, face: FaceBox) -> Image:
    left, top, right, bottom = face
    across, down = int(MARGIN * (right - left)), int(MARGIN * (bottom - top))
    return image[max(top - down, 0) : bottom + down + 1, max(left - across, 0) : right + across + 1]
