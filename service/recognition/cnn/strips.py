"""The CNN detector over a photo, in strips: memory grows with the photo by little more than its own pixels.

The graph has two halves (graphs/detector.py). The first, over strips of the tile, leaves an eighth of the rows
and columns; the second, over strips of that, needs rows of its neighbours, which are there already. Both give what
the undivided network gives, bit for bit.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid
from service.recognition.cnn import score_map as mmod
from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import RECEPTIVE_FIELD, Layout
from service.recognition.cnn.score_map import STRIDE
from service.recognition.compute.batching import Batcher
from service.recognition.compute.scratch import Scratch
from service.recognition.contract import Detection
from service.recognition.ort.sessions import Network

SHRUNK_CHANNELS = 32
"""Channels between the two halves."""
REACH = 10
"""Rows above and below that a score of the second half sees: three 5x5 convolutions and a 9x9 one."""


class Strips(NamedTuple):
    """How much of a photo is in work at once."""

    tile: int
    """Pixels of the tile, or one row of scores if that is more: 12 bytes each, and twice that inside."""
    scores: int
    """Scores of the second half, likewise: 190 bytes each for a layer, of which two or three are alive."""


LARGE = Strips(1 << 20, 1 << 17)
"""78 MB. Photos up to 2 megapixels are one strip, at 8 megapixels the overlap costs 4 %. Twice of it gains no time."""
SMALL = Strips(1 << 19, 1 << 16)
"""41 MB, for photos that are several at a time: up to 3 % slower for one core, and 4 % to 8 % for two."""

_NO_TILE = np.empty((0, 3, RECEPTIVE_FIELD, RECEPTIVE_FIELD), np.float32)
_NOTHING_SHRUNK = np.empty((0, SHRUNK_CHANNELS, 1, 1), np.float32)
"""Empty batches, for the half that has nothing to do."""

Compute = Callable[[str, Mapping[str, NDArray[np.generic]]], NDArray[np.float32]]
"""Runs a graph: the output wanted and all inputs, as `Session.compute`."""


class CnnDetector:
    """The CNN detector, each photo by itself. Safe to call from many threads.

    Args:
        network: the graph: `tile` float32 (N, 3, rows, columns) to `shrunk` (N, 32, rows / 8, columns / 8), and
            `shrunk_given` of that shape to `scores` (N, 1, ...).
        window: its box and its overlap rule.
        pyramids: makes the pyramid, with the mean colour of the detector's file.
        runs: how many photos are searched at the same time.
    """

    def __init__(self, network: Network, window: mmod.Window, pyramids: Pyramids, *, runs: int) -> None:
        self.network = network
        self._window = window
        self._pyramids = pyramids
        self._detect = Batcher[NDArray[np.uint8], list[Detection]](
            # No two photos share a run: it would take their times added up.
            lambda images: [self._run(image) for image in images],
            budget=0,
            cost=np.size,
            runs=runs,
        )
        self.batches = self._detect.sizes

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a photo, RGB, uint8, shape (rows, columns, 3), the surest first. Raises EngineError."""
        return self._detect(image)

    def _run(self, image: NDArray[np.uint8]) -> list[Detection]:
        layout = pyramid.layout(*image.shape[:2])
        if layout is None:
            return []
        strips = SMALL if self.network.divided else LARGE
        scores = score_map(self.network.compute, image, layout, self._pyramids, strips)
        return mmod.in_map(scores, layout, self._window)


def score_map(
    compute: Compute,
    image: NDArray[np.uint8],
    layout: Layout,
    pyramids: Pyramids,
    at_once: Strips = LARGE,
) -> NDArray[np.float32]:
    """The score of every place of a photo's tile.

    Args:
        compute: the graph.
        image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
        layout: the layout for that size.
        pyramids: makes the pyramid.
        at_once: how much is in work at once.

    Returns:
        float32, shape (rows, columns) of the scores.
    """
    with pyramids.levels(image, layout) as levels:
        shrunk = _shrunk(compute, levels, layout, pyramids.scratch, at_once.tile)
    return _scores(compute, shrunk, at_once.scores)


def _shrunk(
    compute: Compute, levels: Levels, layout: Layout, scratch: Scratch[np.float32], area: int
) -> NDArray[np.float32]:
    rows, columns = (shrunk_size(size) for size in (layout.rows, layout.columns))
    shrunk = np.empty((1, SHRUNK_CHANNELS, rows, columns), np.float32)
    for first, last in _strips(rows, area // (layout.columns * STRIDE)):
        top, bottom = first * STRIDE, (last - 1) * STRIDE + RECEPTIVE_FIELD
        with scratch.lent((1, 3, bottom - top, layout.columns)) as tile:
            levels.rows(top, tile[0])
            given = {"tile": tile, "shrunk_given": _NOTHING_SHRUNK}
            shrunk[:, :, first:last] = compute("shrunk", given)
    return shrunk


def _scores(compute: Compute, shrunk: NDArray[np.float32], area: int) -> NDArray[np.float32]:
    rows, columns = shrunk.shape[2:]
    scores = np.empty((rows, columns), np.float32)
    for first, last in _strips(rows, area // columns):
        above, below = max(first - REACH, 0), min(last + REACH, rows)
        seen = np.ascontiguousarray(shrunk[:, :, above:below])
        strip = compute("scores", {"tile": _NO_TILE, "shrunk_given": seen})
        scores[first:last] = strip[0, 0, first - above : last - above]
    return scores


def shrunk_size(size: int) -> int:
    """Rows or columns that the first half leaves: three unpadded 5x5 convolutions of stride 2."""
    return (size - RECEPTIVE_FIELD) // STRIDE + 1


def _strips(rows: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Split rows into strips of nearly equal size, at most `at_once` rows each but at least one."""
    number = -(-rows // max(at_once, 1))
    for strip in range(number):
        yield rows * strip // number, rows * (strip + 1) // number
