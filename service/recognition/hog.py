"""dlib's frontal face detector without dlib: the same boxes in the same order, with the same scores.

The photo is doubled and made smaller by 5/6 again and again. On each of these levels five filters of 80 x 80
pixels look at every eighth pixel; a window over its filter's threshold fires, and of those that overlap the one
with the highest score is a face.

Source: dlib/image_processing/scan_fhog_pyramid.h (create_fhog_pyramid, detect_from_fhog_pyramid),
dlib/image_processing/object_detector.h and tools/python/src/simple_object_detector_py.h in dlib's repository.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.recognition import fhog, hog_levels
from service.recognition.fhog import CELL, TAPS, Filters
from service.recognition.geometry import Rectangle, round_half_away
from service.recognition.hog_levels import RATE
from service.recognition.packed import packed
from service.recognition.suppression import OverlapRule, Window, survivors

STRIP = 48
"""Rows of windows that one thread scores before it takes others: few enough to stay in its cache, and enough that
the nine rows of cells which neighbours compute twice weigh little."""
PIXEL_STRIP = 256
"""Rows of pixels that one thread resamples before it takes others."""


@dataclass(frozen=True)
class HogFilters:
    """What a detector's file says."""

    filters: Filters
    thresholds: NDArray[np.float64]
    """Shape (parts,): a score from it on fires."""
    rule: OverlapRule


@dataclass(frozen=True)
class HogFace:
    """A face, in pixels of the photo."""

    rectangle: Rectangle
    score: float
    """How far above the threshold."""
    part: int
    """Which filter fired: looking ahead, left, right, turned to the left, turned to the right."""


class HogDetector:
    """Finds faces as `dlib.get_frontal_face_detector()(image, 1)` does. Safe to call from many threads.

    Args:
        detector: the filters.
        threads: cores that all calls together may use; 0 for all.
    """

    def __init__(self, detector: HogFilters, threads: int = 0) -> None:
        self._detector = detector
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="hog")

    def __call__(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        """The faces' boxes, the highest score first, as the whole scan finds them."""
        return [face.rectangle for face in self.faces(image)]

    def faces(self, image: NDArray[np.uint8], adjust: float = 0.0) -> list[HogFace]:
        """Scan the whole photo.

        Args:
            image: RGB, uint8, shape (rows, columns, 3).
            adjust: added to every threshold; below 0 for windows that would not fire.
        """
        fired: list[Future[list[Window]]] = []
        picture = packed(image)
        for number, size in enumerate(hog_levels.sizes(*image.shape[:2])):
            picture = self._next_level(picture, size)
            down, across = fhog.windows(*size)
            fired += [
                self._pool.submit(
                    fired_windows, self._detector, picture, number, (top, bottom, 0, across), adjust
                )
                for top, bottom in _strips(down, STRIP)
            ]
        windows = [window for strip in fired for window in strip.result()]
        return [
            HogFace(in_photo(window.rectangle), window.score, window.part)
            for window in survivors(windows, self._detector.rule)
        ]

    def close(self) -> None:
        """End the threads. The detector cannot be used afterwards."""
        self._pool.shutdown()

    def _next_level(self, picture: NDArray[np.uint32], size: tuple[int, int]) -> NDArray[np.uint32]:
        way = hog_levels.resampling((picture.shape[0], picture.shape[1]), size)
        level = np.empty(size, np.uint32)
        strips = [
            self._pool.submit(hog_levels.resample, picture, level, way, top, bottom)
            for top, bottom in _strips(size[0], PIXEL_STRIP)
        ]
        for strip in strips:
            strip.result()
        return level


def fired_windows(
    detector: HogFilters,
    picture: NDArray[np.uint32],
    level: int,
    region: tuple[int, int, int, int],
    adjust: float = 0.0,
) -> list[Window]:
    """The windows of a region that fire.

    Args:
        detector: the filters and thresholds.
        picture: the whole level, packed.
        level: its number; 0 is the doubled photo.
        region: top, bottom, left, right in windows, the ends excluded.
        adjust: added to every threshold.
    """
    top, _, left, _ = region
    # float64, as dlib compares: a float32 threshold would be another one.
    scores = fhog.scores(picture, detector.filters, *region).astype(np.float64)
    parts, rows, columns = np.nonzero(scores >= (detector.thresholds + adjust)[:, None, None])
    above = scores[parts, rows, columns] - detector.thresholds[parts]
    return [
        Window(-float(score), int(part), level, int(row), int(column), box(level, int(row), int(column)))
        for score, part, row, column in zip(above, parts, rows + top, columns + left, strict=True)
    ]


def box(level: int, row: int, column: int) -> Rectangle:
    """The box of a window, in pixels of the doubled photo."""
    return Rectangle(
        round_half_away(edge(level, column)),
        round_half_away(edge(level, row)),
        round_half_away(edge(level, column + TAPS - 1)),
        round_half_away(edge(level, row + TAPS - 1)),
    )


def edge(level: int, cell: int) -> float:
    """The middle of a cell, carried up to the doubled photo (fhog_to_image, pyramid_down::point_up).

    Args:
        level: the level's number.
        cell: where a window begins; its end is TAPS - 1 further.
    """
    corner = (cell - BEFORE_FIRST) * CELL + 1
    coordinate: float = corner + (CELL // 2 if corner >= 0 else -(CELL // 2))
    for _ in range(level):
        coordinate = coordinate * (RATE / (RATE - 1.0)) + 0.3
    return coordinate


BEFORE_FIRST = fhog.BEFORE - 1
"""Cells from where the first window begins to the one whose corner is the picture's (fhog_to_image)."""


def in_photo(rectangle: Rectangle) -> Rectangle:
    """From the doubled photo to the photo (pyramid_down_2_1::rect_down)."""
    return Rectangle(
        round_half_away(rectangle.left / 2.0 - 1.25),
        round_half_away(rectangle.top / 2.0 - 0.75),
        round_half_away(rectangle.right / 2.0 - 1.25),
        round_half_away(rectangle.bottom / 2.0 - 0.75),
    )


def _strips(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Rows in strips of nearly the same height, `most` or fewer."""
    count = -(-rows // most)
    bounds = [rows * number // count for number in range(count + 1)] if count else []
    return zip(bounds, bounds[1:], strict=False)
