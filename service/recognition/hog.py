"""dlib's frontal face detector without dlib: the same boxes in the same order, with the same scores.

The photo is doubled and made smaller by 5/6 again and again. On each of these levels five filters of 80 x 80
pixels look at every eighth pixel; a window over its filter's threshold fires, and of those that overlap the one
with the highest score is a face.

Source: dlib/image_processing/scan_fhog_pyramid.h (create_fhog_pyramid, detect_from_fhog_pyramid),
dlib/image_processing/object_detector.h and tools/python/src/simple_object_detector_py.h in dlib's repository.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.recognition import hog_levels
from service.recognition.confirmation import confirmed
from service.recognition.geometry import Rectangle
from service.recognition.hog_filters import HogFilters
from service.recognition.hog_levels import DoubledPhoto, Resampling
from service.recognition.hog_search import Level, LocalSearch, fired
from service.recognition.hog_windows import Region, WindowGrid, in_photo
from service.recognition.parallelism import usable_cores
from service.recognition.suppression import Window, survivors

STRIP = 96
"""Rows of windows that one thread scores before it takes others: few enough to stay in its cache, and enough that
the nine rows of cells which neighbours compute twice weigh little."""
PIXEL_STRIP = 256
"""Rows of pixels that one thread resamples before it takes others."""
LOCAL_PIXELS = 700_000
"""Pixels of all levels together that are looked at around a face, besides those that show it finer."""
LOCAL_FACTOR = 18
"""Pixels of the finer levels that are looked at, by pixel of the face's box."""
LOCAL_SHARE = 0.8
"""What the whole scan spends on filters and features; both ways spend the rest on making the levels (measured)."""


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
        self._pool = ThreadPoolExecutor(threads or usable_cores(), thread_name_prefix="hog")

    def __call__(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        """The faces' boxes, the highest score first, as the whole scan finds them."""
        return [face.rectangle for face in self.faces(image)]

    def faces(self, image: NDArray[np.uint8], adjust: float = 0.0) -> list[HogFace]:
        """Scan the whole photo.

        Args:
            image: RGB, uint8, shape (rows, columns, 3).
            adjust: added to every threshold; below 0 for windows that would not fire.
        """
        strips: list[Future[list[Window]]] = []
        for level in self._levels(image):
            strips += [
                self._pool.submit(fired, self._detector, level, strip, adjust)
                for strip in _strips(level.grid.whole)
            ]
        windows = [window for strip in strips for window in strip.result()]
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
        if local > LOCAL_SHARE * pixels:
            return self.confirm_by_scan(image, faces)
        return self.confirm_locally(image, faces)

    def confirm_by_scan(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by the whole scan."""
        return confirmed(faces, self(image))

    def confirm_locally(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by looking only where it is decided."""
        return LocalSearch(self._detector, list(self._levels(image)), self._pool).confirm(faces)

    def close(self) -> None:
        """End the threads. The detector cannot be used afterwards."""
        self._pool.shutdown()

    def _levels(self, image: NDArray[np.uint8]) -> Iterator[Level]:
        """The levels of a photo, the doubled photo first."""
        sizes = hog_levels.sizes(*image.shape[:2])
        pixels: Callable[[int, int], NDArray[np.uint32]] = DoubledPhoto(image).pixels
        yield Level(0, WindowGrid.of_level(0, *sizes[0]), pixels)
        for number, (finer, size) in enumerate(pairwise(sizes), start=1):
            picture = np.empty(size, np.uint32)
            way = hog_levels.resampling(finer, size)
            strips = [
                self._pool.submit(_resample, pixels, picture, way, top, min(top + PIXEL_STRIP, size[0]))
                for top in range(0, size[0], PIXEL_STRIP)
            ]
            for strip in strips:
                strip.result()
            pixels = partial(_whole, picture)
            yield Level(number, WindowGrid.of_level(number, *size), pixels)


def _whole(picture: NDArray[np.uint32], top: int, bottom: int) -> NDArray[np.uint32]:
    return picture


def _resample(
    finer: Callable[[int, int], NDArray[np.uint32]],
    picture: NDArray[np.uint32],
    way: Resampling,
    top: int,
    bottom: int,
) -> None:
    source = finer(int(way.tops[top]), int(way.tops[bottom - 1]) + 2)
    hog_levels.resample(source, picture, way, top, bottom)


def _strips(whole: Region) -> list[Region]:
    """All windows of a level in strips of nearly the same height."""
    count = -(-whole.windows // max(STRIP * whole.right, 1))
    bounds = [whole.bottom * number // count for number in range(count + 1)] if count else []
    return [Region(top, bottom, whole.left, whole.right) for top, bottom in pairwise(bounds)]
