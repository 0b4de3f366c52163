"""The CNN detector with a scan in less than float32: the faces of the detector in float32, in less time.

All of the tile is scanned, in int8 on a CPU and in float16 on a device (scan_kinds.py). Places near or above the
threshold are rescored in float32, in blocks (blocks.py), whose scores are those of the whole map in float32 (ROUNDING).
So the faces are the same if the error of a scanned score is below MARGIN wherever the exact score is above the
threshold. That bound is measured, not proven, and so it is guarded:

- The largest error of each photo is measured in its blocks. Above a quarter of the margin, the photo is computed in
  float32.
- One rescored photo in `checked` is computed in float32 as a whole too. If a score above the threshold differs, the
  scan stops, as it does if its run fails.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid, scan_kinds
from service.recognition.cnn.blocks import Block, blocks_above, cost
from service.recognition.cnn.levels import Levels
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.scan import (
    ERROR_LIMIT,
    MARGIN,
    SCORE_OF_INTEREST,
    ScanKind,
    scanned_map,
)
from service.recognition.cnn.score_map import detections_of_map
from service.recognition.cnn.strips import NO_SCORES, CnnDetector, StripFunction, in_strips, whole_map
from service.recognition.contract import Detection, DeviceFault, EngineError, OutOfMemory, ScanFigures
from service.recognition.ort.networks import Network

log = logging.getLogger(__name__)

CROWDED = 0.8
"""Cost of the blocks as a share of the whole map's, above which float32 computes the photo as a whole. Twenty faces
have a share of 0.33 at 1.2 megapixels, and of 0.53 at 0.6."""
ROUNDING = 1e-5
"""Largest difference of a rescored score from the whole map's that is not a fault: float32 sums in another order. On
x86-64 it is 0."""


class _ScanFailed(EngineError):
    """A run of the scan failed. (If one in float32 does, that is an error of the photo.)"""


class _Features(NamedTuple):
    """Features of a photo that float32 computes as a whole, and its rescored map if it is checked."""

    features: NDArray[np.float32]
    rescored: NDArray[np.float32] | None


class ScanningDetector:
    """The CNN detector, scanned and then rescored in float32. Safe to call from many threads.

    Args:
        scan: the graph of the scan.
        exact: the detector in float32, which also limits the number of photos searched at the same time.
        checked: number of rescored photos of which one is also computed in float32 as a whole; 0: none.
        kind: the kind of scan.
    """

    def __init__(
        self, scan: Network, exact: CnnDetector, *, checked: int, kind: ScanKind = scan_kinds.INT8
    ) -> None:
        self.exact = exact
        self.kind = kind
        self.network = exact.network
        self.batches: Callable[[], Mapping[int, int]] = exact.batches
        self._scan = scan
        self._checked = checked
        self._counting = threading.Lock()
        self._numbers = count(1)
        """Numbers of the photos that were scanned and not computed in float32."""
        self._figures = ScanFigures()

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a photo, RGB, uint8, shape (rows, columns, 3), in descending confidence. Raises EngineError."""
        with self.exact.search():
            layout = pyramid.layout(*image.shape[:2])
            if layout is None:
                return []
            return detections_of_map(self._scores(image, layout), layout, self.exact.window)

    def figures(self) -> ScanFigures:
        """Counts since the start."""
        return self._figures

    def scanned_scores(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The score map of the scan alone, shape (rows, columns), empty for a photo that is too small for a score."""
        layout = pyramid.layout(*image.shape[:2])
        if layout is None:
            return NO_SCORES
        with self.exact.pyramids.levels(image, layout) as levels:
            return self._scanned(levels, layout)

    def block_scores(self, image: NDArray[np.uint8], block: Block) -> NDArray[np.float32]:
        """The exact scores of a block of a photo's map, shape (rows, columns) of the block."""
        layout = pyramid.layout(*image.shape[:2])
        assert layout is not None, "a photo without a map has no block"
        with self.exact.pyramids.levels(image, layout) as levels:
            return self._block_scores(levels, layout, block)

    def _scores(self, image: NDArray[np.uint8], layout: Layout) -> NDArray[np.float32]:
        """The score map: exact at all places above the threshold, and below the threshold elsewhere."""
        found = self._rescored_or_features(image, layout)
        if not isinstance(found, _Features):
            return found
        scores = self.exact.map_of(found.features)
        if found.rescored is not None and self._agrees(found.rescored, scores):
            return found.rescored
        return scores

    def _rescored_or_features(
        self, image: NDArray[np.uint8], layout: Layout
    ) -> "NDArray[np.float32] | _Features":
        """The rescored map, or what float32 needs for all of it. The photo's levels, its largest arrays, end here."""
        with self.exact.pyramids.levels(image, layout) as levels:
            rescored = None if self._figures.stopped else self._rescored(levels, layout)
            if rescored is not None and not self._is_check_due():
                return rescored
            return _Features(self.exact.features(levels, whole_map(layout)), rescored)

    def _rescored(self, levels: Levels, layout: Layout) -> NDArray[np.float32] | None:
        """The score map in the blocks, minus infinity elsewhere; None if float32 is to compute all of it."""
        try:
            return self._scanned_and_rescored(levels, layout)
        except _ScanFailed as failure:
            self._stop(str(failure))
            return None

    def _scanned_and_rescored(self, levels: Levels, layout: Layout) -> NDArray[np.float32] | None:
        """The rescored map; None if the photo is crowded, or a scanned score deviates. Raises EngineError."""
        scanned = self._scanned(levels, layout)
        blocks = blocks_above(self.exact.window.threshold - MARGIN, scanned)
        rescored = cost(blocks, *scanned.shape)
        if rescored > CROWDED * scanned.size:
            self._count(photos=1, crowded=1)
            return None
        exact = np.full_like(scanned, -np.inf)
        for block in blocks:
            exact[block.slices] = self._block_scores(levels, layout, block)
        near = exact > SCORE_OF_INTEREST
        error = float(np.abs(scanned[near] - exact[near]).max(initial=0))
        deviates = not error <= ERROR_LIMIT
        self._count(
            photos=1,
            deviating=deviates,
            scores=exact.size,
            rescored=round(rescored),
            error=error,
        )
        if deviates:
            log.info(
                "a scanned score is off by %.3f, more than %.3f: the photo is computed in float32",
                error,
                ERROR_LIMIT,
            )
            return None
        return exact

    def _block_scores(self, levels: Levels, layout: Layout, block: Block) -> NDArray[np.float32]:
        """The exact scores of a block, shape (rows, columns) of the block."""
        whole = whole_map(layout)
        features = self.exact.features(levels, block.field(*whole.size))
        return self.kind.block_scores(self._by_scan, self.exact.map_of, features, block, whole)

    def _scanned(self, levels: Levels, layout: Layout) -> NDArray[np.float32]:
        """The score map of the scan alone."""
        return self._by_scan(partial(scanned_map, kind=self.kind, levels=levels, layout=layout))

    def _by_scan(self, function: StripFunction) -> NDArray[np.float32]:
        """Compute in strips by the scan's graph."""
        try:
            return in_strips(self._scan, self.exact.sizes(), function)
        except (DeviceFault, OutOfMemory):
            raise
        except EngineError as failure:
            raise _ScanFailed(str(failure)) from failure

    def _is_check_due(self) -> bool:
        return self._checked > 0 and next(self._numbers) % self._checked == 0

    def _agrees(self, rescored: NDArray[np.float32], scores: NDArray[np.float32]) -> bool:
        """True if a checked photo has the scores above the threshold that it has in float32; else the scan stops."""
        self._count(checked=1)
        threshold = self.exact.window.threshold
        missed = np.count_nonzero((scores > threshold + ROUNDING) & ~(rescored > threshold))
        added = np.count_nonzero((rescored > threshold + ROUNDING) & ~(scores > threshold))
        both = (scores > threshold) & (rescored > threshold)
        difference = float(np.abs(scores[both] - rescored[both]).max(initial=0))
        agrees = not missed and not added and difference <= ROUNDING
        if not agrees:
            self._stop(
                f"in a checked photo, of {np.count_nonzero(scores > threshold)} scores above the threshold, the scan "
                f"missed {missed} and added {added}; the others differ by up to {difference:.1e}"
            )
        return agrees

    def _stop(self, reason: str) -> None:
        """Compute later photos in float32 alone; the first reason is kept."""
        with self._counting:
            if self._figures.stopped is not None:
                return
            self._figures = replace(self._figures, stopped=reason)
        log.error(
            "The scan in %s has stopped, and photos are computed in float32: %s",
            self.kind.number_format,
            reason,
        )

    def _count(self, *, error: float = 0, **more: int) -> None:
        with self._counting:
            before = self._figures
            counts = {name: getattr(before, name) + number for name, number in more.items()}
            largest = max(before.largest_error, error) if np.isfinite(error) else before.largest_error
            self._figures = replace(before, **counts, largest_error=largest)
