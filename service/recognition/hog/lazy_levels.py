"""The levels of one photo, made only where somebody looks.

An area of a level takes a slightly larger area of the level before it, and so on back to the photo. What was made
is kept, and grows when more is asked for: memory and time follow from the areas, not from the photo. The areas are
kept to the pixel: were they rounded up on each level, they would cover the photo after some twenty levels.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.packed_pixels import packed
from service.recognition.compute.threads import run_all
from service.recognition.hog.excerpt import Area, Excerpt
from service.recognition.hog.levels import Resampling, resample

Read = Callable[[Area], Excerpt]
"""Gives an excerpt that holds an area of a picture."""
AT_ONCE = 1 << 17
"""Pixels that are made at once: few enough that what is made on the way, of the doubled photo, stays in the cache."""
BAND = 4 * AT_ONCE
"""Pixels that one thread makes before it takes others."""


def doubled(image: NDArray[np.uint8], way: Resampling, area: Area) -> Excerpt:
    """An area of the first level, made of the photo (RGB, uint8, shape (rows, columns, 3)) whenever it is read.

    It is cheap to make, and of an 8 megapixel photo all of it would take 133 MB.
    """
    top, bottom, left, right = way.source(area)
    excerpt = Excerpt.blank(area)
    resample(Excerpt(packed(image[top:bottom, left:right]), top, left), excerpt, way, area)
    return excerpt


def fill(excerpt: Excerpt, area: Area, way: Resampling, source: Read) -> None:
    """Make an area of an excerpt of a level; `source` reads the picture before it."""
    for band in area.bands(_rows(area, AT_ONCE)):
        resample(source(way.source(band)), excerpt, way, band)


def _rows(area: Area, pixels: int) -> int:
    return max(pixels // (area.right - area.left), 1)


class Picture:
    """A level after the first. It may be read by many threads; it is planned by one.

    Args:
        way: how it is made from the picture before it.
        source: reads that picture.
    """

    def __init__(self, way: Resampling, source: Read) -> None:
        self.way = way
        self._source = source
        self._excerpts: list[Excerpt] = []

    def read(self, area: Area) -> Excerpt:
        """An excerpt that holds the area, which must have been planned, and made."""
        return next(excerpt for excerpt in self._excerpts if excerpt.area.contains(area))

    def plan(self, asked: Iterable[Area]) -> list[tuple[Excerpt, Area]]:
        """Make room for areas: what has to be made now, and into which excerpts."""
        areas = [excerpt.area for excerpt in self._excerpts]
        for area in sorted(set(asked), key=lambda area: -area.pixels):
            _include(areas, area)
        missing: list[tuple[Excerpt, Area]] = []
        for number, area in enumerate(areas):
            if number == len(self._excerpts):
                self._excerpts.append(Excerpt.blank(area))
                missing.append((self._excerpts[number], area))
                continue
            before = self._excerpts[number]
            if area != before.area:
                larger = Excerpt.blank(area)
                larger.at(before.area)[...] = before.pixels
                self._excerpts[number] = larger
                missing += [(larger, rest) for rest in area.around(before.area)]
        return missing

    def make(self, excerpt: Excerpt, area: Area) -> None:
        """Make an area that was planned; what it is made of is there."""
        fill(excerpt, area, self.way, self._source)


class Pictures:
    """All levels of one photo. For one thread.

    Args:
        image: RGB, uint8, shape (rows, columns, 3).
        ways: from the photo to the first level, and from each to the next.
        pool: whose threads make them.
    """

    def __init__(self, image: NDArray[np.uint8], ways: Iterable[Resampling], pool: Executor) -> None:
        first, *others = ways
        self._pool = pool
        self._doubled: Read = partial(doubled, image, first)
        self._smaller: list[Picture] = []
        source: Read = self._doubled
        for way in others:
            self._smaller.append(Picture(way, source))
            source = self._smaller[-1].read

    def make(self, asked: dict[int, list[Area]]) -> Iterator[tuple[int, Read]]:
        """Make areas, asked for by the number of their level. Gives each of these levels as soon as it can be read."""
        missing: list[list[tuple[Excerpt, Area]]] = []
        sources: list[Area] = []
        for number in range(max(asked, default=0), 0, -1):
            picture = self._smaller[number - 1]
            missing.append(picture.plan(asked.get(number, []) + sources))
            sources = [picture.way.source(area) for _, area in missing[-1]]
        if 0 in asked:
            yield 0, self._doubled
        for number, (picture, areas) in enumerate(
            zip(self._smaller, reversed(missing), strict=False), start=1
        ):
            self._run(picture, areas)
            if number in asked:
                yield number, picture.read

    def _run(self, picture: Picture, missing: list[tuple[Excerpt, Area]]) -> None:
        tasks = [(excerpt, band) for excerpt, area in missing for band in area.bands(_rows(area, BAND))]
        if len(tasks) == 1:  # quicker than waking another thread
            picture.make(*tasks[0])
            return
        run_all(self._pool, lambda task: picture.make(*task), tasks)


def _include(areas: list[Area], asked: Area) -> None:
    """Let one of the areas grow around what is asked, or add that, whichever makes fewer pixels."""
    least, host = asked.pixels, len(areas)
    for number, area in enumerate(areas):
        growth = area.bounding(asked).pixels - area.pixels
        if growth < least:
            least, host = growth, number
        if growth == 0:
            return
    if host == len(areas):
        areas.append(asked)
    else:
        areas[host] = areas[host].bounding(asked)
