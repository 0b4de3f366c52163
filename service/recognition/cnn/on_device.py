"""The CNN detector on a device with separate memory: photos are copied there once, and only candidates return."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid, rescoring
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.pyramid_tables import LEVELS, tables
from service.recognition.cnn.score_map import Candidates, DetectorWindow, detections_of_candidates
from service.recognition.cnn.strips import CnnDetector
from service.recognition.compute.batching import Batcher
from service.recognition.compute.scratch import ScratchPool
from service.recognition.contract import Detection, EngineError, OutOfMemory
from service.recognition.ort.providers import Device
from service.recognition.ort.sessions import Session

log = logging.getLogger(__name__)

Images = Sequence[NDArray[np.uint8]]
"""Photos of one size, RGB, uint8, shape (rows, columns, 3)."""
ImageBatch = NDArray[np.uint8]
"""Photos of one size in one array, RGB, uint8, shape (photos, rows, columns, 3)."""

SMALLEST_BATCH = np.zeros((1, 32, 32, 3), np.uint8)
"""A batch of one photo that needs almost no memory."""

STAGING_BYTES = 64 << 20
"""Bytes of the staging buffers that are kept for the next photos: two photos of 8.8 megapixels."""

CandidateSearch = Callable[[Session, ImageBatch, Layout, float], list[Candidates]]
"""Finds the candidates of each photo above a threshold, with a graph. Raises EngineError and OutOfMemory."""


def candidates_in_float32(
    session: Session, photos: ImageBatch, layout: Layout, threshold: float
) -> list[Candidates]:
    """The candidates by the graph of conversion/graphs/device.py."""
    positions, scores = session.attempt(("at", "above"), {"photos": photos, **tables(layout)})
    photo_numbers, _, rows, columns = positions.T
    return [
        Candidates(rows[chosen], columns[chosen], scores[chosen])
        for chosen in ((photo_numbers == number) & (scores > threshold) for number in range(len(photos)))
    ]


def candidates_in_mixed_precision(
    session: Session, photos: ImageBatch, layout: Layout, threshold: float
) -> list[Candidates]:
    """The candidates by the graph of conversion/graphs/rescored.py: scan in float16, recomputed in float32."""
    blocks, rescored = session.attempt(
        ("blocks", "rescored"),
        {
            "photos": photos,
            "floor": np.array(threshold - rescoring.MARGIN, np.float32),
            **tables(layout),
            **rescoring.grid(layout),
        },
    )
    return [
        rescoring.candidates(threshold, blocks[chosen, 2:], rescored[chosen, 0], layout)
        for chosen in (blocks[:, 0] == number for number in range(len(photos)))
    ]


class DeviceDetector:
    """The CNN detector, a batch of whole photos per run. Safe to call from many threads.

    Args:
        search: finds candidates with the session's graph.
        session: session of the graph for whole photos.
        window: the detector's box, overlap rule and threshold.
        device: batch size in pixels, number of concurrent batches, and allocator of staging memory.
        in_strips: fallback for a photo that exceeds the device's memory, or has more pyramid levels than the graph.
    """

    def __init__(
        self,
        search: CandidateSearch,
        session: Session,
        window: DetectorWindow,
        *,
        device: Device,
        in_strips: CnnDetector,
    ) -> None:
        self._search = search
        self._session = session
        self._device_lock = session.device_lock
        self._window = window
        self._staging = ScratchPool(device.staging, STAGING_BYTES)
        self.in_strips = in_strips
        # Counts CPU fallbacks: a run falls back only if a single strip exceeds the device's memory.
        self.network = in_strips.network
        self._detect = Batcher[NDArray[np.uint8], list[Detection]](
            self._run, budget=device.detector_pixels, cost=_pixels, kind=np.shape, runs=device.detector_runs
        )
        self.batches: Callable[[], Mapping[int, int]] = self._detect.sizes

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a photo, RGB, uint8, shape (rows, columns, 3), in descending confidence. Raises EngineError."""
        return self._detect(image)

    def _run(self, images: Images) -> list[list[Detection]]:
        """Faces of photos of one size. Raises OutOfMemory for several photos: the batcher halves the batch."""
        layout = pyramid.layout(*images[0].shape[:2])
        if layout is None or len(layout.levels) > LEVELS:
            with self._device_lock:
                return [self.in_strips(image) for image in images]
        try:
            with self._staging.acquired((len(images), *images[0].shape), np.uint8) as photos:
                np.stack(images, out=photos)
                found = self._candidates(photos, layout)
        except OutOfMemory as out_of_memory:
            if len(images) > 1:
                raise
            log.warning("%s; the photo is searched in strips", out_of_memory)
            # Under the lock, so that the released memory goes to these strips and not to the next photo. Lock order:
            # strips acquire their own semaphore after this lock, here and above, and never before it.
            with self._device_lock:
                self._release_memory()
                return [self.in_strips(images[0])]
        return [detections_of_candidates(candidates, layout, self._window) for candidates in found]

    def _candidates(self, photos: ImageBatch, layout: Layout) -> list[Candidates]:
        return self._search(self._session, photos, layout, self._window.threshold)

    def _release_memory(self) -> None:
        """Release the failed photo's memory by a small run: a run after an out-of-memory error shrinks the arena.

        See `sessions.SHRINK_ARENA`.
        """
        layout = pyramid.layout(*SMALLEST_BATCH.shape[1:3])
        assert layout is not None
        with suppress(EngineError):
            self._candidates(SMALLEST_BATCH, layout)


def _pixels(image: NDArray[np.uint8]) -> int:
    return math.prod(image.shape[:2])
