"""Sliding-window scores: the windows of a region of one level whose scores reach their filters' thresholds.

Source: dlib/image_processing/scan_fhog_pyramid.h (detect_from_fhog_pyramid).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.recognition.hog import fhog
from service.recognition.hog import levels as hog_levels
from service.recognition.hog.crops import Area
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.lazy_pyramid import ReadArea
from service.recognition.hog.levels import Resampling
from service.recognition.hog.window_nms import Window
from service.recognition.hog.windows import Region, WindowGrid

STRIP_ROWS = 96
"""Rows of windows that one task scores: few enough for a core's cache. More rows per task make the nine rows of cells
that two neighbouring tasks both compute a smaller share."""


@dataclass(frozen=True)
class Level:
    """A level of the pyramid and its windows."""

    number: int
    """0 for the doubled photo."""
    size: tuple[int, int]
    """Rows and columns, in pixels."""
    resampling: Resampling
    """Resampling from the level before it; for the first level, from the photo."""
    grid: WindowGrid

    def pixels_under(self, region: Region) -> Area:
        """Receptive field of the windows of a region."""
        return fhog.pixels_under(*region, *self.size)


@lru_cache(maxsize=8)  # an entry for 8 megapixels takes 2 MB
def pyramid_levels(rows: int, columns: int) -> tuple[Level, ...]:
    """The pyramid's levels for a photo of this size in pixels, the doubled photo first."""
    sizes = hog_levels.sizes(rows, columns)
    return tuple(
        Level(number, size, hog_levels.resampling(finer, size), WindowGrid.of_level(number, *size))
        for number, (finer, size) in enumerate(pairwise([(rows, columns), *sizes]))
    )


def strips(region: Region) -> list[Region]:
    """Split a region into strips of nearly the same height, at most STRIP_ROWS; none for an empty region."""
    height = region.bottom - region.top
    count = -(-height // STRIP_ROWS) if region.windows else 0
    bounds = [region.top + height * number // count for number in range(count + 1)] if count else []
    return [Region(top, bottom, region.left, region.right) for top, bottom in pairwise(bounds)]


def least_reaching(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Least float32 scores that reach these thresholds: dlib compares its float32 scores in float64."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest < thresholds, np.nextafter(nearest, np.float32(np.inf)), nearest)


def windows_above_threshold(
    detector: HogFilters,
    level: Level,
    read: ReadArea,
    region: Region,
    least: NDArray[np.float32],
) -> list[Window]:
    """Windows of a region whose scores reach the least ones, before NMS.

    Args:
        detector: filters and thresholds.
        level: the level of the region.
        read: reads areas of the level.
        region: windows to score, not empty.
        least: `least_reaching` of each filter's threshold.
    """
    crop = read(level.pixels_under(region))
    scores = fhog.scores(crop, level.size, detector.filters, *region)
    parts, rows, columns = np.nonzero(scores >= least[:, None, None])
    above = scores[parts, rows, columns].astype(np.float64) - detector.thresholds[parts]
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
