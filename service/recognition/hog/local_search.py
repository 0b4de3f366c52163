"""Local search: confirms faces as a scan of the whole photo would, but scores only windows that can change the result.

- A face is confirmed by a detection, that is, by a window that NMS keeps and whose IoU with the face is high enough.
  On each level, only windows of one region around the face can reach that IoU (`WindowGrid.could_confirm`).
- NMS drops such a window only for a kept window of a higher score that overlaps it. These windows lie in one region
  of each level too (`WindowGrid.could_overlap`). NMS may drop each of them in the same way, by a window of a still
  higher score, so each is checked too (`LocalNms`).
- Both regions are upper bounds: an unnecessary window costs time, and no necessary window is missing. A window's score
  is equal to that of the whole scan, bit for bit (`fhog`). So the results are equal.

Only these windows are scored, and only the pixels under them are computed (`lazy_pyramid`).
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.threads import results
from service.recognition.geometry import Rectangle
from service.recognition.hog.confirmation import confirms
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.lazy_pyramid import LazyPyramid
from service.recognition.hog.scoring import (
    Level,
    least_reaching,
    pyramid_levels,
    strips,
    windows_above_threshold,
)
from service.recognition.hog.window_nms import LocalNms, Window
from service.recognition.hog.windows import Region, in_photo


class LocalSearch:
    """Confirmation of the faces of one photo, by windows that are scored on demand. Not thread-safe.

    Args:
        detector: filters, thresholds and the overlap rule.
        image: RGB, uint8, shape (rows, columns, 3).
        memory: `kept_pixels` of the photo's levels, packed, uninitialised.
        pool: executor of resampling and scoring.
    """

    def __init__(
        self, detector: HogFilters, image: NDArray[np.uint8], memory: NDArray[np.uint32], pool: Executor
    ) -> None:
        self._detector = detector
        self._least = least_reaching(detector.thresholds)
        self._levels = pyramid_levels(*image.shape[:2])
        self._pyramid = LazyPyramid(image, [level.resampling for level in self._levels], memory, pool)
        self._pool = pool
        self._scored = [
            np.zeros((level.grid.region.bottom, level.grid.region.right), np.bool_) for level in self._levels
        ]
        self._windows: set[Window] = set()
        """Scored windows above the threshold."""
        self._surrounded: set[Window] = set()
        """Those whose overlapping windows are scored, too."""

    def confirm(self, faces: Sequence[Rectangle]) -> list[bool]:
        """For each face, in pixels of the photo, True if a detection of the whole scan confirms it."""
        self._score((level, level.grid.could_confirm(face)) for face in faces for level in self._levels)
        descending = [(window, in_photo(window.rectangle)) for window in sorted(self._windows)]
        confirming = [
            [window for window, hog_face in descending if confirms(hog_face, face)] for face in faces
        ]
        # NMS begins with these windows. Their surroundings are scored together: one pass over the levels for all faces.
        self._score_surroundings(windows[0] for windows in confirming if windows)
        nms = LocalNms(self._detector.rule, self._overlapping)
        return [any(nms.keeps(window) for window in windows) for windows in confirming]

    def _overlapping(self, window: Window) -> Iterable[Window]:
        self._score_surroundings([window])
        return self._windows

    def _score_surroundings(self, windows: Iterable[Window]) -> None:
        """Score all windows that overlap one of these windows by the rule."""
        pending = [window for window in windows if window not in self._surrounded]
        self._surrounded.update(pending)
        self._score(
            (level, level.grid.could_overlap(window.rectangle, self._detector.rule))
            for window in pending
            for level in self._levels
        )

    def _score(self, requested: Iterable[tuple[Level, Region | None]]) -> None:
        """Score the windows of these regions that have no score yet."""
        unscored: dict[int, list[Region]] = {}
        for level, region in requested:
            if region and (rest := self._claim_unscored(level.number, region)):
                unscored.setdefault(level.number, []).extend(strips(rest))
        areas = {
            number: [self._levels[number].pixels_under(region) for region in regions]
            for number, regions in unscored.items()
        }
        scored: list[Future[list[Window]]] = []
        try:
            for number, read_area in self._pyramid.compute(areas):
                scored += [
                    self._pool.submit(
                        windows_above_threshold,
                        self._detector,
                        self._levels[number],
                        read_area,
                        region,
                        self._least,
                    )
                    for region in unscored[number]
                ]
        finally:  # also if a level fails: its photo's memory goes to other photos
            found = results(scored)
        for windows in found:
            self._windows.update(windows)

    def _claim_unscored(self, number: int, region: Region) -> Region | None:
        """Bounding region of those windows of a region that have no score yet; marks the whole region as scored."""
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
