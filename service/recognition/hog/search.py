"""The windows of a photo that fire: of a region, and the search that looks only where a verdict is decided."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.threads import results
from service.recognition.geometry import Rectangle
from service.recognition.hog import fhog
from service.recognition.hog import levels as hog_levels
from service.recognition.hog.confirmation import confirms
from service.recognition.hog.excerpt import Area
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.lazy_levels import Pictures, Read
from service.recognition.hog.levels import Resampling
from service.recognition.hog.window_nms import Closure, Window
from service.recognition.hog.windows import Region, WindowGrid, in_photo

STRIP = 96
"""Rows of windows that one thread scores before it takes others: few enough to stay in its cache, and enough that
the nine rows of cells which neighbours compute twice weigh little."""


@dataclass(frozen=True)
class Level:
    """One of the pictures that the filters look at."""

    number: int
    size: tuple[int, int]
    """Rows and columns."""
    way: Resampling
    """From the picture before it."""
    grid: WindowGrid

    def pixels_under(self, region: Region) -> Area:
        """What the windows of a region look at."""
        return fhog.pixels_under(*region, *self.size)


@lru_cache(maxsize=8)  # of an 8 megapixel photo 2 MB
def levels(rows: int, columns: int) -> tuple[Level, ...]:
    """The levels of a photo of this size, the doubled photo first."""
    sizes = hog_levels.sizes(rows, columns)
    return tuple(
        Level(number, size, hog_levels.resampling(finer, size), WindowGrid.of_level(number, *size))
        for number, (finer, size) in enumerate(pairwise([(rows, columns), *sizes]))
    )


def strips(region: Region) -> list[Region]:
    """A region in strips of nearly the same height."""
    height = region.bottom - region.top
    count = -(-height // STRIP) if region.windows else 0
    bounds = [region.top + height * number // count for number in range(count + 1)] if count else []
    return [Region(top, bottom, region.left, region.right) for top, bottom in pairwise(bounds)]


def fired(
    detector: HogFilters,
    level: Level,
    read: Read,
    region: Region,
    adjust: float = 0.0,
) -> list[Window]:
    """The windows of a region that fire; `adjust` is added to every threshold. `read` gives areas of the level."""
    excerpt = read(level.pixels_under(region))
    # float64, as dlib compares: a float32 threshold would be another one.
    scores = fhog.scores(excerpt, level.size, detector.filters, *region).astype(np.float64)
    parts, rows, columns = np.nonzero(scores >= (detector.thresholds + adjust)[:, None, None])
    above = scores[parts, rows, columns] - detector.thresholds[parts]
    return [
        Window(
            -float(score),
            int(part),
            level.number,
            int(row),
            int(column),
            level.grid.box(int(row), int(column)),
        )
        for score, part, row, column in zip(
            above, parts, rows + region.top, columns + region.left, strict=True
        )
    ]


class LocalSearch:
    """The windows of one photo, scored only where somebody asked. For one thread.

    Args:
        detector: the filters.
        image: RGB, uint8, shape (rows, columns, 3).
        pool: whose threads make pixels and score.
    """

    def __init__(self, detector: HogFilters, image: NDArray[np.uint8], pool: Executor) -> None:
        self._detector = detector
        self._levels = levels(*image.shape[:2])
        self._pictures = Pictures(image, [level.way for level in self._levels], pool)
        self._pool = pool
        self._scored = [
            np.zeros((level.grid.whole.bottom, level.grid.whole.right), np.bool_) for level in self._levels
        ]
        self._fired: set[Window] = set()

    def confirm(self, faces: Sequence[Rectangle]) -> list[bool]:
        """For each face whether a face of the whole scan confirms it."""
        self._score((level, level.grid.confirming(face)) for face in faces for level in self._levels)
        closure = Closure(self._detector.rule, self._around)
        return [
            any(
                closure.is_face(window)
                for window in sorted(self._fired)
                if confirms(in_photo(window.rectangle), face)
            )
            for face in faces
        ]

    def _around(self, window: Window) -> Iterable[Window]:
        self._score(
            (level, level.grid.same_face(window.rectangle, self._detector.rule)) for level in self._levels
        )
        return self._fired

    def _score(self, asked: Iterable[tuple[Level, Region | None]]) -> None:
        """Score what is not scored yet of these regions."""
        missing: dict[int, list[Region]] = {}
        for level, region in asked:
            if region and (unscored := self._missing(level.number, region)):
                missing.setdefault(level.number, []).extend(strips(unscored))
        areas = {
            number: [self._levels[number].pixels_under(region) for region in regions]
            for number, regions in missing.items()
        }
        found: list[Future[list[Window]]] = []
        for number, read in self._pictures.make(areas):
            found += [
                self._pool.submit(fired, self._detector, self._levels[number], read, region)
                for region in missing[number]
            ]
        for windows in results(found):
            self._fired.update(windows)

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
