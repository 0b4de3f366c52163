"""Lazy pyramid of one photo: each level is computed and cached only in the areas that are read.

An area of a level needs a slightly larger area of the level before it, and so on back to the photo. Computed areas
are cached and grow with later requests: memory and time follow from the areas, not from the photo. Areas are exact
to the pixel: rounded up on each level, they would cover the photo after some twenty levels.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.packed_pixels import packed
from service.recognition.compute.threads import run_all
from service.recognition.hog.crops import Area, Crop
from service.recognition.hog.levels import Resampling, resample

ReadArea = Callable[[Area], Crop]
"""Returns a crop of an image that holds at least the given area."""
CHUNK_PIXELS = 1 << 17
"""Pixels that one call resamples: few enough that its pixels of the doubled photo stay in the CPU's cache."""
TASK_PIXELS = 4 * CHUNK_PIXELS
"""Pixels of one task of the thread pool."""


def doubled(image: NDArray[np.uint8], resampling: Resampling, area: Area) -> Crop:
    """An area of the first level, the doubled photo, resampled at every read.

    It is cheap to compute, and its cache would take 133 MB for an 8 megapixel photo.

    Args:
        image: RGB, uint8, shape (rows, columns, 3).
        resampling: from the photo to the first level.
        area: not empty, in pixels of the first level.
    """
    top, bottom, left, right = resampling.source(area)
    crop = Crop.empty(area)
    resample(Crop(packed(image[top:bottom, left:right]), top, left), crop, resampling, area)
    return crop


def fill(crop: Crop, area: Area, resampling: Resampling, source: ReadArea) -> None:
    """Resample an area of a level into its crop; `source` reads the level before it."""
    for chunk in area.bands(_rows(area, CHUNK_PIXELS)):
        resample(source(resampling.source(chunk)), crop, resampling, chunk)


def _rows(area: Area, pixels: int) -> int:
    return max(pixels // (area.right - area.left), 1)


class LazyLevel:
    """A level after the first. `read` and `compute` are safe to call from many threads, `plan` from one.

    Args:
        resampling: from the level before it.
        source: reads that level.
    """

    def __init__(self, resampling: Resampling, source: ReadArea) -> None:
        self.resampling = resampling
        self._source = source
        self._crops: list[Crop] = []

    def read(self, area: Area) -> Crop:
        """A crop that holds an area, which must have been planned and computed."""
        return next(crop for crop in self._crops if crop.area.contains(area))

    def plan(self, requested: Iterable[Area]) -> list[tuple[Crop, Area]]:
        """Allocate crops for areas, and return the crops and areas that are still to be computed."""
        areas = [crop.area for crop in self._crops]
        for area in sorted(set(requested), key=lambda area: -area.pixels):
            _include(areas, area)
        missing: list[tuple[Crop, Area]] = []
        for number, area in enumerate(areas):
            if number == len(self._crops):
                self._crops.append(Crop.empty(area))
                missing.append((self._crops[number], area))
                continue
            before = self._crops[number]
            if area != before.area:
                larger = Crop.empty(area)
                larger.view(before.area)[...] = before.pixels
                self._crops[number] = larger
                missing += [(larger, rest) for rest in area.minus(before.area)]
        return missing

    def compute(self, crop: Crop, area: Area) -> None:
        """Compute a planned area; its source must have been computed."""
        fill(crop, area, self.resampling, self._source)


class LazyPyramid:
    """All levels of one photo. Not thread-safe.

    Args:
        image: RGB, uint8, shape (rows, columns, 3).
        resamplings: from the photo to the first level, and from each level to the next.
        pool: executor of the resampling.
    """

    def __init__(self, image: NDArray[np.uint8], resamplings: Iterable[Resampling], pool: Executor) -> None:
        first, *others = resamplings
        self._pool = pool
        self._doubled: ReadArea = partial(doubled, image, first)
        self._smaller: list[LazyLevel] = []
        source: ReadArea = self._doubled
        for resampling in others:
            self._smaller.append(LazyLevel(resampling, source))
            source = self._smaller[-1].read

    def compute(self, requested: dict[int, list[Area]]) -> Iterator[tuple[int, ReadArea]]:
        """Compute areas of levels, keyed by the level's number. Yields each level as soon as it can be read."""
        missing: list[list[tuple[Crop, Area]]] = []
        sources: list[Area] = []
        for number in range(max(requested, default=0), 0, -1):
            level = self._smaller[number - 1]
            missing.append(level.plan(requested.get(number, []) + sources))
            sources = [level.resampling.source(area) for _, area in missing[-1]]
        if 0 in requested:
            yield 0, self._doubled
        for number, (level, areas) in enumerate(zip(self._smaller, reversed(missing), strict=False), start=1):
            self._run(level, areas)
            if number in requested:
                yield number, level.read

    def _run(self, level: LazyLevel, missing: list[tuple[Crop, Area]]) -> None:
        tasks = [(crop, band) for crop, area in missing for band in area.bands(_rows(area, TASK_PIXELS))]
        if len(tasks) == 1:  # quicker than waking another thread
            level.compute(*tasks[0])
            return
        run_all(self._pool, lambda task: level.compute(*task), tasks)


def _include(areas: list[Area], requested: Area) -> None:
    """Add a requested area: grow an existing area to hold it, or append it, whichever adds fewer pixels."""
    least, host = requested.pixels, len(areas)
    for number, area in enumerate(areas):
        growth = area.bounding(requested).pixels - area.pixels
        if growth < least:
            least, host = growth, number
        if growth == 0:
            return
    if host == len(areas):
        areas.append(requested)
    else:
        areas[host] = areas[host].bounding(requested)
