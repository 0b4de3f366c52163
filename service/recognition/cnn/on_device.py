"""The CNN detector on a device with memory of its own: photos go there once, and only candidates come back."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid
from service.recognition.cnn import rescoring as blocks
from service.recognition.cnn import score_map as mmod
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.pyramid_tables import LEVELS, tables
from service.recognition.cnn.score_map import Candidates
from service.recognition.cnn.strips import CnnDetector
from service.recognition.compute.batching import Batcher
from service.recognition.compute.scratch import Scratch
from service.recognition.contract import Detection, EngineError
from service.recognition.ort.providers import Device
from service.recognition.ort.sessions import OutOfMemory, Session

log = logging.getLogger(__name__)

Images = Sequence[NDArray[np.uint8]]
"""Photos of one size, RGB, uint8, shape (rows, columns, 3)."""
Photos = NDArray[np.uint8]
"""The same in one array, shape (photos, rows, columns, 3)."""

LEAST = np.zeros((1, 32, 32, 3), np.uint8)
"""A photo that takes next to no memory."""

STAGED = 64 << 20
"""Bytes of memory for photos on their way to a device that are kept for the next ones: two of 8.8 megapixels."""

Search = Callable[[Session, Photos, Layout, float], list[Candidates]]
"""The candidates of each photo above a threshold, by a graph. Raises EngineError and OutOfMemory."""


def search(session: Session, photos: Photos, layout: Layout, threshold: float) -> list[Candidates]:
    """A Search by the graph of conversion/graphs/device.py."""
    at, above = session.attempt(("at", "above"), {"photos": photos, **tables(layout)})
    photo, _, rows, columns = at.T
    return [
        Candidates(rows[mine], columns[mine], above[mine])
        for mine in ((photo == number) & (above > threshold) for number in range(len(photos)))
    ]


def search_in_half_precision(
    session: Session, photos: Photos, layout: Layout, threshold: float
) -> list[Candidates]:
    """A Search by the graph of conversion/graphs/rescored.py."""
    found, rescored = session.attempt(
        ("blocks", "rescored"),
        {
            "photos": photos,
            "floor": np.array(threshold - blocks.SLACK, np.float32),
            **tables(layout),
            **blocks.grid(layout),
        },
    )
    return [
        blocks.above(threshold, found[mine, 2:], rescored[mine, 0], layout)
        for mine in (found[:, 0] == number for number in range(len(photos)))
    ]


class DeviceDetector:
    """The CNN detector, a whole photo at a time. Safe to call from many threads.

    Args:
        search: how it looks for candidates.
        session: the graph for that.
        window: the detector's box, threshold and overlap rule.
        device: how many photos share a run, how many runs are begun, and where photos are put together.
        in_strips: what finds the faces where the device has too little memory for a whole photo, or the graph too few
            levels.
    """

    def __init__(
        self,
        search: Search,
        session: Session,
        window: mmod.Window,
        *,
        device: Device,
        in_strips: CnnDetector,
    ) -> None:
        self._search = partial(search, session)
        self._turn = session.turn
        self._window = window
        self._staging = Scratch(device.staging, STAGED)
        self.in_strips = in_strips
        # The CPU helps where memory is short even for a strip, and nowhere else.
        self.network = in_strips.network
        self._detect = Batcher[NDArray[np.uint8], list[Detection]](
            self._run, budget=device.detector_pixels, cost=_pixels, kind=np.shape, runs=device.detector_runs
        )
        self.batches: Callable[[], Mapping[int, int]] = self._detect.sizes

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a photo, RGB, uint8, shape (rows, columns, 3), the surest first. Raises EngineError."""
        return self._detect(image)

    def _run(self, images: Images) -> list[list[Detection]]:
        """Faces of photos of one size. Raises OutOfMemory for several: the batcher tries fewer."""
        layout = pyramid.layout(*images[0].shape[:2])
        if layout is None or len(layout.levels) > LEVELS:
            with self._turn:
                return [self.in_strips(image) for image in images]
        try:
            with self._staging.lent((len(images), *images[0].shape)) as photos:
                np.stack(images, out=photos)
                found = self._search(photos, layout, self._window.threshold)
        except OutOfMemory as shortage:
            if len(images) > 1:
                raise
            log.warning("%s; the photo is searched in strips", shortage)
            # The memory that comes back must not go to the next photo before these strips have had it.
            with self._turn:
                self._give_back()
                return [self.in_strips(images[0])]
        return [mmod.detections(candidates, layout, self._window) for candidates in found]

    def _give_back(self) -> None:
        """Let the strips have what the photo took in vain: a run after a shortage returns it (`sessions.GIVE_BACK`)."""
        layout = pyramid.layout(*LEAST.shape[1:3])
        assert layout is not None
        with suppress(EngineError):
            self._search(LEAST, layout, self._window.threshold)


def _pixels(image: NDArray[np.uint8]) -> int:
    return math.prod(image.shape[:2])


Detector = CnnDetector | DeviceDetector
"""What finds the faces of a model with the CNN."""
