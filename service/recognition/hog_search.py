"""The windows of a photo that fire: of a region, and the search that looks only where a verdict is decided."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.recognition import fhog
from service.recognition.confirmation import confirms
from service.recognition.geometry import Rectangle
from service.recognition.hog_filters import HogFilters
from service.recognition.hog_windows import Region, WindowGrid, in_photo
from service.recognition.suppression import Closure, Window


@dataclass(frozen=True)
class Level:
    """One of the pictures that the filters look at."""

    number: int
    grid: WindowGrid
    pixels: Callable[[int, int], NDArray[np.uint32]]
    """Given top and bottom, the end excluded: an array of the whole level, packed, that has at least these rows."""


def fired(detector: HogFilters, level: Level, region: Region, adjust: float = 0.0) -> list[Window]:
    """The windows of a region that fire; `adjust` is added to every threshold."""
    picture = level.pixels(*fhog.pixel_rows(region.top, region.bottom))
    # float64, as dlib compares: a float32 threshold would be another one.
    scores = fhog.scores(picture, detector.filters, *region).astype(np.float64)
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
        levels: all levels of the photo.
        pool: whose threads score.
    """

    def __init__(self, detector: HogFilters, levels: Sequence[Level], pool: Executor) -> None:
        self._detector = detector
        self._levels = levels
        self._pool = pool
        self._scored = [np.zeros((len(level.grid.tops), len(level.grid.lefts)), np.bool_) for level in levels]
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
        found = self._pool.map(
            lambda place: fired(self._detector, *place),
            [
                (level, missing)
                for level, region in asked
                if region and (missing := self._missing(level.number, region))
            ],
        )
        for windows in found:
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
