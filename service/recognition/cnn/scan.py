"""Scan of a tile: approximate scores of the whole map, which tell where exact scores are needed.

A scan's graph has the two halves of the detector, stem and head, in less than float32; the stem reads the tile as
bytes. `scan_kinds` has the kinds of scan.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.blocks import Block
from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.score_map import STRIDE
from service.recognition.cnn.strips import (
    CHANNELS,
    LARGE,
    Compute,
    InStrips,
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
BYTES_OF_CELL), both rounded up. A cell is two squares of two by two pixels, left and right, each row by row, with the
colours of a pixel in the order RGB. Pixels are rounded; gaps, and pixels beyond the tile, are the mean colour."""
BYTES_OF_CELL = 24
"""Two rows of four pixels, three bytes each."""
SCAN_FEATURES, GIVEN_SCAN_FEATURES = "scan_features", "scan_features_given"
"""Features of the tile, of `ScanKind.features`, shape (N, rows, columns, CHANNELS): output of the stem, input of the
head."""
SCANNED = "scanned"
"""Output: scores, float32, shape (N, 1, rows, columns)."""


class BlockScores(Protocol):
    """Exact scores of blocks, which equal those of the whole map in float32."""

    def __call__(
        self,
        scan: InStrips,
        map_of: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        features: NDArray[np.float32],
        block: Block,
        whole: Block,
    ) -> NDArray[np.float32]:
        """The scores of a block, shape (rows, columns) of the block.

        Args:
            scan: runs parts of the scan's graph.
            map_of: `CnnDetector.map_of` of the detector in float32.
            features: `strips.features_of` the block's field, float32, shape (1, CHANNELS, rows, columns).
            block: the block.
            whole: the block that is the whole map.
        """


@dataclass(frozen=True)
class ScanKind:
    """A kind of scan."""

    graph: str
    """Name of the graph in the model store."""
    number_format: str
    """Of its values, for people."""
    features: type[np.generic]
    """Type of its features."""
    idle: Mapping[str, NDArray[np.generic]]
    """All inputs of the graph, as the empty batches for the parts that are not used in a run."""
    block_scores: BlockScores

    @property
    def shown(self) -> str:
        """Value of `Stage.precision`."""
        return f"{self.number_format} scan"


def scanned_in_strips(
    compute: Compute,
    image: NDArray[np.uint8],
    layout: Layout,
    pyramids: Pyramids,
    sizes: StripSizes = LARGE,
    *,
    kind: ScanKind,
) -> NDArray[np.float32]:
    """The approximate score map of a photo; other arguments and the result as for `strips.scores_in_strips`."""
    with pyramids.levels(image, layout) as levels:
        return scanned_map(compute, sizes, kind, levels, layout)


def scanned_map(
    compute: Compute, sizes: StripSizes, kind: ScanKind, levels: Levels, layout: Layout
) -> NDArray[np.float32]:
    """The approximate score map of a whole tile, shape (rows, columns)."""
    rows, columns = whole_map(layout).size
    features = np.empty((1, rows, columns, CHANNELS), kind.features)
    for first, last in strips(rows, sizes.tile // (layout.columns * STRIDE)):
        cells = byte_rows(levels, layout, first * STRIDE, pixels_of(last - first))
        features[:, first:last] = compute(SCAN_FEATURES, {**kind.idle, BYTES: cells})
    scores = np.empty((rows, columns), np.float32)
    for first, last, above, below in head_strips(rows, sizes.scores // columns):
        given = {**kind.idle, GIVEN_SCAN_FEATURES: features[:, above:below]}
        scores[first:last] = compute(SCANNED, given)[0, 0, first - above : last - above]
    return scores


def byte_rows(levels: Levels, layout: Layout, first: int, rows: int) -> NDArray[np.uint8]:
    """Rows of the tile from row `first` on, as the scan's input: BYTES with N = 1."""
    cells = np.empty((1, -(-rows // 2), -(-layout.columns // 4), BYTES_OF_CELL), np.uint8)
    levels.byte_rows(first, cells[0])
    return cells
