"""Scores that a float16 run puts near the threshold, recomputed in float32: the faces equal those of a float32 run.

They are recomputed in blocks of the score map, each from a patch of features. A score depends on 10 features on each
side in the head of the network, which pads its input with zeros. So a patch extends 10 features beyond its block, or to
the edge of the map, where it is padded as the map is.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.pyramid import STEM_FIELD, Layout
from service.recognition.cnn.score_map import HEAD_RADIUS, STRIDE, Candidates, map_size

BLOCK_SIDE = 12
"""Side of a block, in scores."""
PATCH_SIDE = BLOCK_SIDE + 2 * HEAD_RADIUS
"""Side of a patch, in scores; the side of the whole map if that is shorter."""
MARGIN = 0.1
"""Margin below the threshold, in units of the score: a block is recomputed if a float16 score in it exceeds the
threshold minus this. The largest error of a score in the validation, with the device's float16 rounding emulated,
is 0.006."""
ERROR_LIMIT_SHARE = 1 / 8
"""Largest score error that validation accepts, as a share of MARGIN (conversion/validation/specifications.py)."""

# Inputs of the graph, int64.
ROWS = "block_rows"
"""First row of scores of the patch of each row of blocks."""
COLUMNS = "block_columns"
"""First column of scores of the patch of each column of blocks."""
PIXEL_ROWS = "pixel_rows"
"""Offsets 0, 1, 2, … of the tile rows that a patch covers."""
PIXEL_COLUMNS = "pixel_columns"
"""Offsets 0, 1, 2, … of the tile columns that a patch covers."""
ARRAY_STEPS = "strides"
"""Distance in values from one photo, one colour and one row of a tile to the next."""


def grid(layout: Layout) -> Mapping[str, NDArray[Any]]:
    """The inputs of the graph for tiles of this layout."""
    plane = layout.rows * layout.columns
    rows, columns = map_size(layout.rows), map_size(layout.columns)
    return {
        ROWS: _patch_starts(rows),
        COLUMNS: _patch_starts(columns),
        PIXEL_ROWS: _pixel_offsets(rows),
        PIXEL_COLUMNS: _pixel_offsets(columns),
        ARRAY_STEPS: np.array([3 * plane, plane, layout.columns]),
    }


def candidates(
    threshold: float, blocks: NDArray[np.int64], scores: NDArray[np.float32], layout: Layout
) -> Candidates:
    """The scores of one photo's blocks above a threshold, in ascending order of row and column in the map.

    Args:
        threshold: a score above it is a candidate.
        blocks: row and column of each block, counted in blocks, shape (blocks, 2).
        scores: scores of the blocks' patches, shape (blocks, rows, columns).
        layout: layout of the tile.
    """
    rows = _patch_starts(map_size(layout.rows))[blocks[:, 0], None] + np.arange(scores.shape[1])
    columns = _patch_starts(map_size(layout.columns))[blocks[:, 1], None] + np.arange(scores.shape[2])
    in_rows, in_columns = rows // BLOCK_SIDE == blocks[:, :1], columns // BLOCK_SIDE == blocks[:, 1:]
    in_block = in_rows[:, :, None] & in_columns[:, None, :]
    block, row, column = np.nonzero(in_block & (scores > threshold))
    found = Candidates(rows[block, row], columns[block, column], scores[block, row, column])
    order = np.lexsort((found.columns, found.rows))
    return Candidates(found.rows[order], found.columns[order], found.scores[order])


@lru_cache(maxsize=8)
def _patch_starts(scores: int) -> NDArray[np.int64]:
    """Position of the first score of each block's patch, along one side of the map."""
    return np.clip(np.arange(0, scores, BLOCK_SIDE) - HEAD_RADIUS, 0, max(scores - PATCH_SIDE, 0))


def _pixel_offsets(scores: int) -> NDArray[np.int64]:
    """Offsets 0, 1, 2, … of the pixels that a patch covers, along one side of the map."""
    return np.arange((min(scores, PATCH_SIDE) - 1) * STRIDE + STEM_FIELD)
