"""Lazy pyramid of one photo: each level is computed only in the areas that are read.

An area of a level needs a slightly larger area of the level before it, and so on back to the photo. Areas are exact to
the pixel: rounded up on each level, they would cover the photo after some twenty levels.

The first two levels are computed from the photo at each read (`STREAMED`). The computed areas of the later levels are
kept and grow with later requests, until they cover so much of a level that all of it is computed (`LARGE_SHARE`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.packed_pixels import packed
from service.recognition.compute.threads import run_all
from service.recognition.hog.crops import Area, Crop
from service.recognition.hog.levels import LONGEST_CHAIN, Resampling, resample, source_area

ReadArea = Callable[[Area], Crop]
"""Returns a crop of an image that holds at least the given area."""
STREAMED = LONGEST_CHAIN - 1
"""Levels, from the first on, that are computed from the photo at every read: kept, they would take half of the memory
of all levels."""
LARGE_SHARE = 0.4
"""Share of a level from which all of it is computed. A confirmed face needs nearly all pixels of the smaller levels,
and pixels that are added later take twice the time."""
CHUNK_PIXELS = 1 << 18
"""Pixels that one call, a task of the thread pool, resamples: few enough that their packed pixels of the photo stay in
the CPU's cache."""


def photo(image: NDArray[np.uint8], area: Area) -> Crop:
    """An area of a photo, RGB, uint8, shape (rows, columns, 3)."""
    top, bottom, left, right = area
    return Crop(packed(image[top:bottom], left, right), top, left)


def streamed(source: ReadArea, chain: Sequence[Resampling], area: Area) -> Crop:
    """An area of a level, computed by a chain of resamplings; `source` reads the first one's source."""
    crop = Crop.empty(area)
    fill(crop, area, chain, source)
    return crop


def fill(crop: Crop, area: Area, chain: Sequence[Resampling], source: ReadArea) -> None:
    """`streamed` into a crop that holds the area."""
    for chunk in area.bands(_rows(area, CHUNK_PIXELS)):
        resample(source(source_area(chain, chunk)), crop, chain, chunk)


def _rows(area: Area, pixels: int) -> int:
    return max(pixels // (area.right - area.left), 1)


class LazyLevel:
    """A level that is kept. `read` and `compute` are safe to call from many threads, `plan` from one.

    Args:
        chain: resamplings from the level before it, or from the photo.
        source: reads that level or the photo.
        pixels: packed, of the level's shape, uninitialised.
    """

    def __init__(self, chain: Sequence[Resampling], source: ReadArea, pixels: NDArray[np.uint32]) -> None:
        self.chain = chain
        self._source = source
        self._level = Crop(pixels, 0, 0)
        self._areas: list[Area] = []
        """Planned areas."""

    def read(self, area: Area) -> Crop:
        """A crop that holds an area, which must have been planned and computed."""
        assert any(planned.contains(area) for planned in self._areas), f"{area} is not planned"
        return self._level

    def plan(self, requested: Iterable[Area]) -> list[Area]:
        """Areas to compute before the requested areas are read."""
        before = list(self._areas)
        for area in sorted(set(requested), key=lambda area: -area.pixels):
            _include(self._areas, area)
        if sum(area.pixels for area in self._areas) > LARGE_SHARE * self._level.area.pixels:
            self._areas = [self._level.area]
        missing = self._areas[len(before) :]
        for old, new in zip(before, self._areas, strict=False):
            missing += new.minus(old)
        return missing

    def compute(self, area: Area) -> None:
        """Compute a planned area; its source must have been computed."""
        fill(self._level, area, self.chain, self._source)


def kept_pixels(resamplings: Sequence[Resampling]) -> int:
    """Number of pixels of the levels that are kept; arguments as in `LazyPyramid`."""
    return sum(math.prod(resampling.shape) for resampling in resamplings[STREAMED:])


class LazyPyramid:
    """All levels of one photo. Not thread-safe.

    Args:
        image: RGB, uint8, shape (rows, columns, 3).
        resamplings: from the photo to the first level, and from each level to the next.
        memory: `kept_pixels` of these levels, packed, uninitialised.
        pool: executor of the resampling.
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        resamplings: Sequence[Resampling],
        memory: NDArray[np.uint32],
        pool: Executor,
    ) -> None:
        self._pool = pool
        self._levels: list[LazyLevel] = []
        self._reads: list[ReadArea] = []
        source: ReadArea = partial(photo, image)
        chain: tuple[Resampling, ...] = ()
        for number, resampling in enumerate(resamplings):
            chain = (*chain, resampling)
            if number < STREAMED:
                self._reads.append(partial(streamed, source, chain))
                continue
            pixels, memory = np.split(memory, [math.prod(resampling.shape)])
            level = LazyLevel(chain, source, pixels.reshape(resampling.shape))
            self._levels.append(level)
            self._reads.append(level.read)
            source, chain = level.read, ()

    def compute(self, requested: dict[int, list[Area]]) -> Iterator[tuple[int, ReadArea]]:
        """Compute areas of levels, keyed by the level's number. Yields each level as soon as it can be read."""
        missing: dict[int, list[Area]] = {}
        sources: list[Area] = []
        for number in range(max(requested, default=0), STREAMED - 1, -1):
            level = self._levels[number - STREAMED]
            missing[number] = level.plan(requested.get(number, []) + sources)
            sources = [source_area(level.chain, area) for area in missing[number]]
        for number in range(max(requested, default=-1) + 1):
            if number in missing:
                self._run(self._levels[number - STREAMED], missing[number])
            if number in requested:
                yield number, self._reads[number]

    def _run(self, level: LazyLevel, missing: list[Area]) -> None:
        tasks = [band for area in missing for band in area.bands(_rows(area, CHUNK_PIXELS))]
        if len(tasks) == 1:  # quicker than waking another thread
            level.compute(*tasks)
            return
        run_all(self._pool, level.compute, tasks)


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
