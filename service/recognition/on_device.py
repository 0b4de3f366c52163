"""The CNN detector on a device with memory of its own: photos go there once, and only candidates come back."""

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.recognition import mmod, pyramid
from service.recognition.batching import Batcher
from service.recognition.mmod import Detection
from service.recognition.scan import CnnDetector
from service.recognition.sessions import OutOfMemory, Session
from service.recognition.tables import TooManyLevels, tables

log = logging.getLogger(__name__)


class DeviceDetector:
    """The CNN detector, a whole photo at a time. Safe to call from many threads.

    Args:
        session: the graph of conversion/device.py.
        window: its box and its overlap rule.
        pixels: of the photos that share a run, which have one size; a larger photo has a run of its own.
        in_strips: what finds the faces of a photo for which the device has not enough memory, or the graph not enough
            levels; its graph gives the same scores.
    """

    def __init__(self, session: Session, window: mmod.Window, *, pixels: int, in_strips: CnnDetector) -> None:
        self._session = session
        self._window = window
        self._in_strips = in_strips
        self._detect = Batcher[NDArray[np.uint8], list[Detection]](
            self._run, budget=pixels, cost=_pixels, kind=np.shape
        )

    @property
    def provider(self) -> str:
        return self._session.provider

    @property
    def spared(self) -> int:
        return self._in_strips.spared

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a photo, RGB, uint8, shape (rows, columns, 3), the surest first. Raises EngineError."""
        return self._detect(image)

    def batches(self) -> Mapping[int, int]:
        return self._detect.sizes()

    def _run(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Faces of photos of one size. Raises OutOfMemory for several: the batcher tries fewer."""
        layout = pyramid.layout(*images[0].shape[:2])
        if layout is None:
            return [[] for _ in images]
        try:
            at, above = self._session.attempt(("at", "above"), {"photos": np.stack(images), **tables(layout)})
        except (OutOfMemory, TooManyLevels) as reason:
            if len(images) > 1:
                raise
            log.warning("%s; the photo is searched in strips", reason)
            return [self._in_strips(images[0])]
        photo, _, rows, columns = at.T
        return [
            mmod.detections(rows[mine], columns[mine], above[mine], layout, self._window)
            for mine in (photo == number for number in range(len(images)))
        ]


def _pixels(image: NDArray[np.uint8]) -> int:
    return math.prod(image.shape[:2])
