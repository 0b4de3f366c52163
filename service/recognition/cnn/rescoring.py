"""Where the detector's scores are computed once more: blocks of the score map, each in a patch that it depends on.

A score sees 10 others around it in the last half of the network, which pads what it is given with zeros. So a patch has
10 scores around its block, or ends where the map ends and is padded as the map is.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import RECEPTIVE_FIELD, Layout
from service.recognition.cnn.score_map import STRIDE, Candidates
from service.recognition.cnn.strips import REACH, shrunk_size

SIDE = 12
"""Scores of a block, each way."""
PATCH = SIDE + 2 * REACH
"""Scores of a patch, each way, or of the whole map where that has fewer."""
SLACK = 0.1
"""How much less than the threshold a score in half precision may be that still has its block computed once more. The
largest error of a score in the proof, rounded as a device rounds, is 0.006."""
MEASURED_SHARE = 1 / 8
"""Of the slack: the largest error with which a graph is still proven (conversion/validation/specifications.py)."""

ROWS, COLUMNS = "block_rows", "block_columns"
PIXEL_ROWS, PIXEL_COLUMNS = "pixel_rows", "pixel_columns"
STRIDES = "strides"
"""Inputs of the graph, int64: the first row of scores in the patches of each row of blocks, and the same for columns;
0, 1, 2 and so on for each row and each column of the tile under a patch; and by how many values the tile's next photo,
next colour and next row is further."""


def grid(layout: Layout) -> Mapping[str, NDArray[Any]]:
    """The inputs of the graph for tiles of this layout."""
    plane = layout.rows * layout.columns
    rows, columns = shrunk_size(layout.rows), shrunk_size(layout.columns)
    return {
        ROWS: _starts(rows),
        COLUMNS: _starts(columns),
        PIXEL_ROWS: _pixels(rows),
        PIXEL_COLUMNS: _pixels(columns),
        STRIDES: np.array([3 * plane, plane, layout.columns]),
    }


def above(
    threshold: float, blocks: NDArray[np.int64], scores: NDArray[np.float32], layout: Layout
) -> Candidates:
    """The scores of one photo's blocks above a threshold, in ascending order of their places.

    Args:
        threshold: a score above it counts.
        blocks: shape (blocks, 2), the number of each block's row and column.
        scores: shape (blocks, rows, columns), of their patches.
        layout: of the tile.
    """
    rows = _starts(shrunk_size(layout.rows))[blocks[:, 0], None] + np.arange(scores.shape[1])
    columns = _starts(shrunk_size(layout.columns))[blocks[:, 1], None] + np.arange(scores.shape[2])
    inside = (rows // SIDE == blocks[:, :1])[:, :, None] & (columns // SIDE == blocks[:, 1:])[:, None, :]
    block, row, column = np.nonzero(inside & (scores > threshold))
    found = Candidates(rows[block, row], columns[block, column], scores[block, row, column])
    order = np.lexsort((found.columns, found.rows))
    return Candidates(found.rows[order], found.columns[order], found.scores[order])


@lru_cache(maxsize=8)
def _starts(scores: int) -> NDArray[np.int64]:
    """The first score of each block's patch, along one side of the map."""
    return np.clip(np.arange(0, scores, SIDE) - REACH, 0, max(scores - PATCH, 0))


def _pixels(scores: int) -> NDArray[np.int64]:
    """Those under a patch, along one side of the map."""
    return np.arange((min(scores, PATCH) - 1) * STRIDE + RECEPTIVE_FIELD)
