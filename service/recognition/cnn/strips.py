"""The CNN detector over strips of the tile, the image that holds all pyramid levels of a photo (pyramid.py).

Little memory is needed beyond the photo's own pixels. A CPU and a device compute the same strips, of different sizes:
the pyramid is made by the CPU in both cases.

The graph has two halves (conversion/graphs/detector.py). The stem reads strips of the tile and gives features at an
eighth of its rows and columns. The head reads strips of the features, with the rows above and below that its receptive
field covers. Both give the values of the undivided network, bit for bit.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import STEM_FIELD, Layout
from service.recognition.cnn.score_map import HEAD_RADIUS, STRIDE, DetectorWindow, detections_of_map, map_size
from service.recognition.compute import scratch
from service.recognition.compute.threads import bands
from service.recognition.contract import Detection, OutOfMemory
from service.recognition.ort.networks import Network

log = logging.getLogger(__name__)

CHANNELS = 32
"""Channels of the features, between stem and head."""
FEATURES, GIVEN_FEATURES = "shrunk", "shrunk_given"
"""Names of the features in the graph: output of the stem, input of the head."""


class StripSizes(NamedTuple):
    """Area of a strip in each half of the network."""

    tile: int
    """Pixels of a strip of the tile, at least those of one row of features: 12 bytes per pixel, 24 within the stem."""
    scores: int
    """Scores of a strip, at least one row of them: 190 bytes per score in each layer of the head. Two or three layers
    are in memory at a time."""


LARGE = StripSizes(1 << 20, 1 << 17)
"""Peak memory 78 MB. A photo of up to 2 megapixels is one strip; at 8 megapixels the overlap costs 4 %. Strips twice as
large save no time."""
SMALL = StripSizes(1 << 19, 1 << 16)
"""Peak memory 41 MB, for photos that are computed at the same time: up to 3 % slower on one core, and 4 % to
8 % on two."""
ON_DEVICE = StripSizes(1 << 22, 1 << 18)
"""For a device, which takes a launch for each layer of a strip, however small: a photo of 1.1 megapixels is one strip.
The largest tensors (the stem's first layer, and each of the head's) have 67 and 50 MB, within the 128 MiB that WebGPU
guarantees for a buffer. Chosen, and not measured yet."""
SMALLEST_TILE = 1 << 12
"""Pixels of the smallest strip that is tried for lack of memory: one row of features, in a photo of 512 columns."""

_NO_TILE = np.empty((0, 3, STEM_FIELD, STEM_FIELD), np.float32)
_NO_FEATURES = np.empty((0, CHANNELS, 1, 1), np.float32)
"""Empty batches, for the half of the graph that is not used in a run."""

NO_SCORES = np.empty((0, 0), np.float32)
"""Score map of a photo that is too small for a score."""

Compute = Callable[[str, Mapping[str, NDArray[np.generic]]], NDArray[np.float32]]
"""Runs the graph: name of the output, all inputs by name, as `Session.compute`."""
StripFunction = Callable[[Compute, StripSizes], NDArray[np.float32]]
"""Computes something in strips of an area. Raises OutOfMemory."""
InStrips = Callable[[StripFunction], NDArray[np.float32]]
"""Calls such a function with a network, in strips for which it has memory."""


class CnnDetector:
    """The CNN detector in float32, one photo per run. Safe to call from many threads.

    Args:
        network: the graph: `tile` float32 (N, 3, rows, columns) to its output FEATURES (N, 32, rows / 8, columns / 8);
            and its input GIVEN_FEATURES of that shape to `scores` (N, 1, ...).
        window: box, overlap rule and threshold of the detector's file.
        pyramids: makes the pyramid, with the mean colour of the detector's file.
        runs: number of photos searched at the same time. A device computes one of them, while the pyramids of the
            others are made.
        largest: area of a strip, unless runs share the cores of a CPU.
    """

    def __init__(
        self,
        network: Network,
        window: DetectorWindow,
        pyramids: Pyramids,
        *,
        runs: int,
        largest: StripSizes = LARGE,
    ) -> None:
        self.network = network
        self.window = window
        self.pyramids = pyramids
        self._largest = largest
        self._free_runs = threading.Semaphore(runs)
        self._counting = threading.Lock()
        self._searched = 0

    def __call__(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of a photo, RGB, uint8, shape (rows, columns, 3), in descending confidence. Raises EngineError."""
        with self.search():
            layout = pyramid.layout(*image.shape[:2])
            return detections_of_map(self.scores(image), layout, self.window) if layout else []

    def scores(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The score map of a photo, shape (rows, columns), empty for a photo that is too small for a score."""
        layout = pyramid.layout(*image.shape[:2])
        if layout is None:
            return NO_SCORES
        return self.map_of(self._photo_features(image, layout))

    @contextmanager
    def search(self) -> Iterator[None]:
        """Count a photo as searched, and wait while `runs` others are being searched."""
        with self._free_runs:
            with self._counting:
                self._searched += 1
            yield

    def features(self, levels: Levels, field: Block) -> NDArray[np.float32]:
        """Features of a field of the tile, for `map_of`; the levels are not needed afterwards."""
        return in_strips(self.network, self.sizes(), partial(features_of, levels=levels, field=field))

    def map_of(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The score map of features, shape (rows, columns)."""
        return in_strips(self.network, self.sizes(), partial(map_of_features, features=features))

    def sizes(self) -> StripSizes:
        """Area of a strip: smaller while other photos are computed too."""
        return SMALL if self.network.shares_cores else self._largest

    def batches(self) -> dict[int, int]:
        """Number of runs so far, by their number of photos: a run is one photo."""
        return {1: self._searched} if self._searched else {}

    def _photo_features(self, image: NDArray[np.uint8], layout: Layout) -> NDArray[np.float32]:
        """Features of a photo. A method, so that no variable holds the levels while the map is made."""
        with self.pyramids.levels(image, layout) as levels:
            return self.features(levels, whole_map(layout))


def in_strips(network: Network, sizes: StripSizes, function: StripFunction) -> NDArray[np.float32]:
    """The result of a function, in strips of this area, or smaller ones if the network is out of memory.

    The area is halved until a strip is about one row. Strips of that area run by CPU fallback, if the network has it,
    as far as they are out of memory too. Raises EngineError.
    """
    while sizes.tile > SMALLEST_TILE:
        try:
            return function(network.attempt, sizes)
        except OutOfMemory as error:
            log.warning("%s; strips of half the size are tried", error)
            sizes = StripSizes(sizes.tile // 2, sizes.scores // 2)
    return function(network.compute, sizes)


def scores_in_strips(
    compute: Compute,
    image: NDArray[np.uint8],
    layout: Layout,
    pyramids: Pyramids,
    sizes: StripSizes = LARGE,
) -> NDArray[np.float32]:
    """The score map of a photo's tile.

    Args:
        compute: the graph.
        image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
        layout: the layout for that size.
        pyramids: makes the pyramid.
        sizes: area of a strip.

    Returns:
        float32, shape (rows, columns) of the scores, one for each STRIDE pixels of the tile.
    """
    return map_of_features(compute, sizes, photo_features(compute, sizes, image, layout, pyramids))


def photo_features(
    compute: Compute, sizes: StripSizes, image: NDArray[np.uint8], layout: Layout, pyramids: Pyramids
) -> NDArray[np.float32]:
    """Features of a photo's tile. A function, so that no variable holds the levels while the map is made."""
    with pyramids.levels(image, layout) as levels:
        return features_of(compute, sizes, levels, whole_map(layout))


def features_of(compute: Compute, sizes: StripSizes, levels: Levels, field: Block) -> NDArray[np.float32]:
    """Features of a field of the tile, float32, shape (1, CHANNELS, rows, columns of the field)."""
    rows, columns = field.size
    features = np.empty((1, CHANNELS, rows, columns), np.float32)
    width = pixels_of(columns)
    for first, last in strips(rows, sizes.tile // (width * STRIDE)):
        with scratch.POOL.acquired((1, 3, pixels_of(last - first), width), np.float32) as tile:
            levels.area((field.top + first) * STRIDE, field.left * STRIDE, tile[0])
            features[:, :, first:last] = compute(FEATURES, {"tile": tile, GIVEN_FEATURES: _NO_FEATURES})
    return features


def map_of_features(
    compute: Compute, sizes: StripSizes, features: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The score map of features, shape (rows, columns); those beyond the given ones are taken to be 0."""
    rows, columns = features.shape[2:]
    scores = np.empty((rows, columns), np.float32)
    for first, last, above, below in head_strips(rows, sizes.scores // columns):
        given = np.ascontiguousarray(features[:, :, above:below])
        strip = compute("scores", {"tile": _NO_TILE, GIVEN_FEATURES: given})
        scores[first:last] = strip[0, 0, first - above : last - above]
    return scores


def whole_map(layout: Layout) -> Block:
    """The block that is the whole score map."""
    return Block(0, 0, map_size(layout.rows), map_size(layout.columns))


def strips(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Split rows into strips of nearly equal size, of at most `most` rows but at least one."""
    yield from bands(rows, -(-rows // max(most, 1)))


def head_strips(rows: int, most: int) -> Iterator[tuple[int, int, int, int]]:
    """`strips` of scores, and for each the rows of features (first, end) that the head needs for it."""
    for first, last in strips(rows, most):
        yield first, last, max(first - HEAD_RADIUS, 0), min(last + HEAD_RADIUS, rows)


def pixels_of(features: int) -> int:
    """Rows or columns of the tile on which adjacent features depend."""
    return (features - 1) * STRIDE + STEM_FIELD
