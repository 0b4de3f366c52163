"""dlib's frontal face detector without dlib: the same boxes in the same order, with the same scores.

The photo is doubled and made smaller by 5/6 again and again. On each of these levels five filters of 80 x 80
pixels look at every eighth pixel; a window over its filter's threshold fires, and of those that overlap the one
with the highest score is a face.

Source: dlib/image_processing/scan_fhog_pyramid.h (create_fhog_pyramid, detect_from_fhog_pyramid),
dlib/image_processing/object_detector.h and tools/python/src/simple_object_detector_py.h in dlib's repository.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.recognition import fhog, hog_levels
from service.recognition.confirmation import confirmed, confirms
from service.recognition.geometry import Rectangle
from service.recognition.hog_filters import HogFilters
from service.recognition.hog_windows import Region, WindowGrid, in_photo
from service.recognition.packed import packed
from service.recognition.suppression import Closure, Window, survivors

STRIP = 96
"""Rows of windows that one thread scores before it takes others: few enough to stay in its cache, and enough that
the nine rows of cells which neighbours compute twice weigh little."""
PIXEL_STRIP = 256
"""Rows of pixels that one thread resamples before it takes others."""
LOCAL_PIXELS = 700_000
"""Pixels of all levels together that are looked at around a face, besides those that show it finer."""
LOCAL_FACTOR = 18
"""Pixels of the finer levels that are looked at, by pixel of the face's box."""


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
        for number, picture in enumerate(self._levels(image)):
            grid = WindowGrid.of_level(number, *picture.shape)
            fired += [
                self._pool.submit(_fired, self._detector, picture, number, grid, strip, adjust)
                for strip in _strips(grid.whole)
            ]
        windows = [window for strip in fired for window in strip.result()]
        return [
            HogFace(in_photo(window.rectangle), window.score, window.part)
            for window in survivors(windows, self._detector.rule)
        ]

    def confirm(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """For each face of a photo whether a face of the whole scan confirms it.

        Looks only where that is decided: at the windows that could confirm a face, and at those that could
        suppress one of them, as far as such chains reach. Many or large faces are cheaper by the whole scan.
        """
        if not faces:
            return []
        pixels = sum(rows * columns for rows, columns in hog_levels.sizes(*image.shape[:2]))
        local = sum(LOCAL_PIXELS + LOCAL_FACTOR * face.area for face in faces)
        return self.confirm_by_scan(image, faces) if local > pixels else self.confirm_locally(image, faces)

    def confirm_by_scan(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by the whole scan."""
        return confirmed(faces, self(image))

    def confirm_locally(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by looking only where it is decided."""
        search = _LocalSearch(self._detector, self._pool, list(self._levels(image)))
        return search.confirm(faces)

    def close(self) -> None:
        """End the threads. The detector cannot be used afterwards."""
        self._pool.shutdown()

    def _levels(self, image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint32]]:
        """The levels of a photo, packed, the doubled photo first."""
        picture = packed(image)
        for rows, columns in hog_levels.sizes(*image.shape[:2]):
            way = hog_levels.resampling((picture.shape[0], picture.shape[1]), (rows, columns))
            level = np.empty((rows, columns), np.uint32)
            strips = [
                self._pool.submit(hog_levels.resample, picture, level, way, top, min(top + PIXEL_STRIP, rows))
                for top in range(0, rows, PIXEL_STRIP)
            ]
            for strip in strips:
                strip.result()
            yield level
            picture = level


class _LocalSearch:
    """The windows of one photo, scored only where somebody asked."""

    def __init__(
        self, detector: HogFilters, pool: ThreadPoolExecutor, levels: list[NDArray[np.uint32]]
    ) -> None:
        self._detector = detector
        self._pool = pool
        self._levels = levels
        self._grids = [WindowGrid.of_level(number, *picture.shape) for number, picture in enumerate(levels)]
        self._scored = [np.zeros((len(grid.tops), len(grid.lefts)), np.bool_) for grid in self._grids]
        self._fired: set[Window] = set()

    def confirm(self, faces: Sequence[Rectangle]) -> list[bool]:
        self._score(
            (number, grid.confirming(face)) for face in faces for number, grid in enumerate(self._grids)
        )
        closure = Closure(self._detector.rule, self._around)
        return [
            any(closure.is_face(window) for window in sorted(self._fired) if self._confirms(window, face))
            for face in faces
        ]

    def _confirms(self, window: Window, face: Rectangle) -> bool:
        return confirms(in_photo(window.rectangle), face)

    def _around(self, window: Window) -> Iterable[Window]:
        self._score(
            (number, grid.same_face(window.rectangle, self._detector.rule))
            for number, grid in enumerate(self._grids)
        )
        return self._fired

    def _score(self, asked: Iterable[tuple[int, Region | None]]) -> None:
        """Score what is not scored yet of these regions of levels."""
        regions = [(number, self._missing(number, region)) for number, region in asked if region]
        for found in self._pool.map(self._look, [(number, region) for number, region in regions if region]):
            self._fired.update(found)

    def _missing(self, number: int, region: Region) -> Region | None:
        """The rectangle around the windows of a region that nobody asked for before; now somebody has."""
        scored = self._scored[number][region.top : region.bottom, region.left : region.right]
        rows, columns = np.flatnonzero(~scored.all(axis=1)), np.flatnonzero(~scored.all(axis=0))
        if not rows.size:
            return None
        scored[...] = True
        return Region(
            region.top + int(rows[0]),
            region.top + int(rows[-1]) + 1,
            region.left + int(columns[0]),
            region.left + int(columns[-1]) + 1,
        )

    def _look(self, place: tuple[int, Region]) -> list[Window]:
        number, region = place
        return _fired(self._detector, self._levels[number], number, self._grids[number], region)


def _fired(
    detector: HogFilters,
    picture: NDArray[np.uint32],
    level: int,
    grid: WindowGrid,
    region: Region,
    adjust: float = 0.0,
) -> list[Window]:
    """The windows of a region of a level that fire."""
    # float64, as dlib compares: a float32 threshold would be another one.
    scores = fhog.scores(picture, detector.filters, *region).astype(np.float64)
    parts, rows, columns = np.nonzero(scores >= (detector.thresholds + adjust)[:, None, None])
    above = scores[parts, rows, columns] - detector.thresholds[parts]
    return [
        Window(-float(score), int(part), level, int(row), int(column), grid.box(int(row), int(column)))
        for score, part, row, column in zip(
            above, parts, rows + region.top, columns + region.left, strict=True
        )
    ]


def _strips(whole: Region) -> list[Region]:
    """All windows of a level in strips of nearly the same height."""
    count = -(-whole.windows // max(STRIP * whole.right, 1))
    bounds = [whole.bottom * number // count for number in range(count + 1)] if count else []
    return [Region(top, bottom, whole.left, whole.right) for top, bottom in pairwise(bounds)]
