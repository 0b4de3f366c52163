"""Scan of a tile in int8: approximate scores of the whole map, which tell where exact scores are needed.

The graph (conversion/graphs/scan.py) has two halves, as that in float32 (strips.py), and reads the tile as bytes.
"""

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.score_map import STRIDE
from service.recognition.cnn.strips import (
    CHANNELS,
    LARGE,
    Compute,
    StripSizes,
    head_strips,
    pixels_of,
    strips,
    whole_map,
)

MARGIN = 0.75
"""Margin below the threshold, in units of the score: a place is rescored in float32 if its scanned score exceeds the
threshold minus this."""
ERROR_LIMIT = MARGIN / 4
"""Largest error of a scanned score that the trial at the start and the comparison of each photo accept."""
SCORE_OF_INTEREST = -1.0
"""Scores below it are far from a face: their errors do not count. They are 99.9 % of all scores."""

BYTES = "bytes"
"""Input: the tile in bytes, in cells of two rows and four columns of pixels, uint8, shape (N, rows / 2, columns / 4,
BYTES_OF_CELL). A cell is two squares of two by two pixels, left and right, each row by row, with the colours of a pixel
in the order RGB. Pixels are rounded; gaps are the mean colour, rounded."""
BYTES_OF_CELL = 24
SCAN_FEATURES, GIVEN_SCAN_FEATURES = "scan_features", "scan_features_given"
"""Features of the tile, uint8, shape (N, rows, columns, CHANNELS): output of the first half, input of the second."""
SCANNED = "scanned"
"""Output: scores, float32, shape (N, 1, rows, columns)."""

_NO_BYTES = np.empty((0, 16, 16, BYTES_OF_CELL), np.uint8)
_NO_FEATURES = np.empty((0, 1, 1, CHANNELS), np.uint8)
"""Empty batches, for the half of the graph that is not used in a run."""


def scanned_in_strips(
    compute: Compute,
    image: NDArray[np.uint8],
    layout: Layout,
    pyramids: Pyramids,
    sizes: StripSizes = LARGE,
) -> NDArray[np.float32]:
    """The approximate score map of a photo; arguments and result as for `strips.scores_in_strips`."""
    with pyramids.levels(image, layout) as levels:
        return scanned_map(compute, levels, layout, sizes)


def scanned_map(compute: Compute, levels: Levels, layout: Layout, sizes: StripSizes) -> NDArray[np.float32]:
    """The approximate score map of a whole tile, shape (rows, columns)."""
    rows, columns = whole_map(layout).size
    features = np.empty((1, rows, columns, CHANNELS), np.uint8)
    for first, last in strips(rows, sizes.tile // (layout.columns * STRIDE)):
        features[:, first:last] = _features(compute, levels, layout, first, last)
    scores = np.empty((rows, columns), np.float32)
    for first, last, above, below in head_strips(rows, sizes.scores // columns):
        inputs = {BYTES: _NO_BYTES, GIVEN_SCAN_FEATURES: features[:, above:below]}
        scores[first:last] = compute(SCANNED, inputs)[0, 0, first - above : last - above]
    return scores


def byte_rows(levels: Levels, layout: Layout, first: int, rows: int) -> NDArray[np.uint8]:
    """Rows of the tile from row `first` on, as the scan's input."""
    cells = np.empty((1, -(-rows // 2), -(-layout.columns // 4), BYTES_OF_CELL), np.uint8)
    levels.byte_rows(first, cells[0])
    return cells


def _features(compute: Compute, levels: Levels, layout: Layout, first: int, last: int) -> NDArray[np.generic]:
    """Rows `first` to `last` - 1 of the features."""
    cells = byte_rows(levels, layout, first * STRIDE, pixels_of(last - first))
    return compute(SCAN_FEATURES, {BYTES: cells, GIVEN_SCAN_FEATURES: _NO_FEATURES})
