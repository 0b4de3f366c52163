"""dlib's frontal face detector without dlib: the same boxes in the same order, with the same scores.

The photo is doubled and made smaller by 5/6 again and again. On each of these levels five filters of 80 x 80
pixels look at every eighth pixel; a window over its filter's threshold fires, and of those that overlap the one
with the highest score is a face.

Source: dlib/image_processing/scan_fhog_pyramid.h (create_fhog_pyramid, detect_from_fhog_pyramid),
dlib/image_processing/object_detector.h and tools/python/src/simple_object_detector_py.h in dlib's repository.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.cores import Cores
from service.recognition.compute.threads import results, run_all
from service.recognition.geometry import Rectangle
from service.recognition.hog.confirmation import confirmed
from service.recognition.hog.excerpt import Area, Excerpt
from service.recognition.hog.filters import HogFilters
from service.recognition.hog.lazy_levels import Read, doubled, fill
from service.recognition.hog.search import Level, LocalSearch, fired, levels, strips
from service.recognition.hog.window_nms import Window, survivors
from service.recognition.hog.windows import in_photo

PIXEL_STRIP = 128
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
        cores: what computes.
    """

    def __init__(self, detector: HogFilters, cores: Cores) -> None:
        self._detector = detector
        self._cores = cores

    def __call__(self, image: NDArray[np.uint8]) -> list[Rectangle]:
        """The faces' boxes, the highest score first, as the whole scan finds them."""
        return [face.rectangle for face in self.faces(image)]

    def faces(self, image: NDArray[np.uint8], adjust: float = 0.0) -> list[HogFace]:
        """Scan the whole photo.

        Args:
            image: RGB, uint8, shape (rows, columns, 3).
            adjust: added to every threshold; below 0 for windows that would not fire.
        """
        executor = self._cores.executor()
        scored: list[Future[list[Window]]] = []
        for level, read in self._levels(image, executor):
            scored += [
                executor.submit(fired, self._detector, level, read, strip, adjust)
                for strip in strips(level.grid.whole)
            ]
        windows = [window for strip in results(scored) for window in strip]
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
        pixels = sum(math.prod(level.size) for level in levels(*image.shape[:2]))
        local = sum(LOCAL_PIXELS + LOCAL_FACTOR * face.area for face in faces)
        if local > LOCAL_SHARE * pixels:
            return self.confirm_by_scan(image, faces)
        return self.confirm_locally(image, faces)

    def confirm_by_scan(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by the whole scan."""
        return confirmed(faces, self(image))

    def confirm_locally(self, image: NDArray[np.uint8], faces: Sequence[Rectangle]) -> list[bool]:
        """`confirm` by looking only where it is decided."""
        return LocalSearch(self._detector, image, self._cores.executor()).confirm(faces)

    @staticmethod
    def _levels(image: NDArray[np.uint8], executor: Executor) -> Iterator[tuple[Level, Read]]:
        """The levels of a photo, the doubled photo first, and how to read them."""
        first, *others = levels(*image.shape[:2])
        read: Read = partial(doubled, image, first.way)
        yield first, read
        for level in others:
            whole = Area(0, level.size[0], 0, level.size[1])
            picture = Excerpt.blank(whole)
            run_all(executor, partial(fill, picture, way=level.way, source=read), whole.bands(PIXEL_STRIP))
            read = partial(_whole, picture)
            yield level, read


def _whole(picture: Excerpt, area: Area) -> Excerpt:
    return picture
