"""Dlib's frontal face detector (HOG) without dlib: the same boxes, in the same order, with the same scores.

1. Pyramid (`levels`): the photo is doubled, then reduced to 5/6 until a side would be under 64 pixels.
   dlib/image_processing/scan_fhog_pyramid.h (create_fhog_pyramid), dlib/image_transforms/image_pyramid.h.
2. Features (`gradients`, `fhog`): 31 planes of Felzenszwalb's HOG on cells of 8 x 8 pixels, on every level.
   dlib/image_transforms/fhog.h (impl_extract_fhog_features).
3. Scores (`separable`, `scoring`): five filters of 10 x 10 cells, one for each pose, slide over the cells. A window
   is a candidate if a filter's score reaches its threshold.
   scan_fhog_pyramid.h (apply_filters_to_fhog, detect_from_fhog_pyramid).
4. Boxes (`windows`): from cells of a level to pixels of the doubled photo, and of the photo after NMS.
   fhog.h, image_pyramid.h and tools/python/src/simple_object_detector_py.h (run_detector_with_upscale1).
5. NMS (`window_nms`): over all levels and filters, by descending score.
   dlib/image_processing/object_detector.h (object_detector::operator()).

The filters are those of dlib/image_processing/frontal_face_detector.h (`filters`). Faces of the CNN detector are
confirmed without the whole scan where that is cheaper (`local_search`).
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute import scratch
from service.recognition.compute.cores import Cores
from service.recognition.compute.threads import results, run_all
from service.recognition.geometry import Rectangle
from service.recognition.hog.confirmation import confirmed
from service.recognition.hog.crops import Area, Crop
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.lazy_pyramid import ReadArea, fill, kept_pixels, photo, streamed
from service.recognition.hog.levels import Resampling
from service.recognition.hog.local_search import LocalSearch
from service.recognition.hog.scoring import (
    Level,
    least_reaching,
    pyramid_levels,
    strips,
    windows_above_threshold,
)
from service.recognition.hog.window_nms import Window, suppress
from service.recognition.hog.windows import in_photo

BAND_ROWS = 128
"""Rows of pixels that one task resamples."""
LOCAL_PIXELS = 700_000
"""Pixels of all levels that a local search scores for one face, apart from the pixels that grow with the face's box."""
LOCAL_FACTOR = 18
"""Pixels of the finer levels that it scores in addition, per pixel of the face's box."""
LOCAL_LIMIT = 1.2
"""Quotient of these pixels and those of a whole scan from which the whole scan takes less time. At 0.35 a local search
takes 0.4 of its time, at 0.93 0.7 and at 1.17 0.9 (measured): some of the pixels are counted for several faces."""


@dataclass(frozen=True)
class HogFace:
    """A detection of the HOG detector."""

    rectangle: Rectangle
    """Box in pixels of the photo."""
    score: float
    """Score above the threshold."""
    part: int
    """Number of the filter: frontal, looking left, looking right, frontal rotated left, frontal rotated right."""


class HogDetector:
    """Equivalent of `dlib.get_frontal_face_detector()(image, 1)`. Safe to call from many threads.

    Args:
        detector: filters, thresholds and the overlap rule.
        cores: the threads that compute.
    """

    def __init__(self, detector: HogFilters, cores: Cores) -> None:
        self._detector = detector
        self._cores = cores

    def __call__(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        """Boxes of a whole scan, in pixels of the photo, by descending score."""
        return [face.rectangle for face in self.faces(image)]

    def faces(self, image: NDArray[np.uint8], adjust_threshold: float = 0.0) -> list[HogFace]:
        """Detections of a whole scan, by descending score.

        Args:
            image: RGB, uint8, shape (rows, columns, 3).
            adjust_threshold: added to every threshold, as in dlib's object_detector::operator(); below 0 for more and
                weaker detections.
        """
        executor = self._cores.executor()
        least = least_reaching(self._detector.thresholds + adjust_threshold)
        scored: list[Future[list[Window]]] = []
        for level, read in self._levels(image, executor):
            scored += [
                executor.submit(windows_above_threshold, self._detector, level, read, strip, least)
                for strip in strips(level.grid.region)
            ]
        windows = [window for strip in results(scored) for window in strip]
        return [
            HogFace(in_photo(window.rectangle), window.score, window.part)
            for window in suppress(windows, self._detector.rule)
        ]

    def confirm(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """For each face of a photo, True if a detection of the whole scan confirms it.

        The cheaper of two searches with equal verdicts: local for few small faces, else the whole scan.

        Args:
            image: RGB, uint8, shape (rows, columns, 3).
            faces: in pixels of the photo.
        """
        if not faces:
            return []
        pixels = sum(math.prod(level.size) for level in pyramid_levels(*image.shape[:2]))
        local = sum(LOCAL_PIXELS + LOCAL_FACTOR * face.area for face in faces)
        if local > LOCAL_LIMIT * pixels:
            return self.confirm_by_scan(image, faces)
        return self.confirm_locally(image, faces)

    def confirm_by_scan(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by a whole scan."""
        return confirmed(faces, self(image))

    def confirm_locally(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by a local search."""
        kept = kept_pixels([level.resampling for level in pyramid_levels(*image.shape[:2])])
        with scratch.POOL.acquired((kept,), np.uint32) as memory:
            return LocalSearch(self._detector, image, memory, self._cores.executor()).confirm(faces)

    @staticmethod
    def _levels(image: NDArray[np.uint8], executor: Executor) -> Iterator[tuple[Level, ReadArea]]:
        """The levels of a photo, the doubled photo first, each with the function that reads it."""
        source: ReadArea = partial(photo, image)
        chain: tuple[Resampling, ...] = ()
        for level in pyramid_levels(*image.shape[:2]):
            chain = (*chain, level.resampling)
            if level.number == 0:
                yield level, partial(streamed, source, chain)
                continue
            whole = Crop.empty(Area(0, level.size[0], 0, level.size[1]))
            fill_band = partial(fill, whole, chain=chain, source=source)
            run_all(executor, fill_band, whole.area.bands(BAND_ROWS))
            source, chain = partial(_whole_level, whole), ()
            yield level, source


def _whole_level(level: Crop, _: Area) -> Crop:
    return level
