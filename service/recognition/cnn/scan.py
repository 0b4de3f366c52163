"""Scan of a tile in int8: approximate scores of the whole map, which tell where exact scores are needed; and exact
scores of blocks.

The graph (conversion/graphs/scan.py) has stem and head in int8, the former of which reads the tile as bytes; and the
head in float32, for blocks of the map.
"""

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.blocks import Block
from service.recognition.cnn.levels import Levels, Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.score_map import HEAD_KERNELS, HEAD_RADIUS, STRIDE
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
BYTES_OF_CELL), both rounded up. A cell is two squares of two by two pixels, left and right, each row by row, with the
colours of a pixel in the order RGB. Pixels are rounded; gaps, and pixels beyond the tile, are the mean colour."""
BYTES_OF_CELL = 24
"""Two rows of four pixels, three bytes each."""
SCAN_FEATURES, GIVEN_SCAN_FEATURES = "scan_features", "scan_features_given"
"""Features of the tile, uint8, shape (N, rows, columns, CHANNELS): output of the stem, input of the head."""
SCANNED = "scanned"
"""Output: scores, float32, shape (N, 1, rows, columns)."""
BLOCK_FEATURES = "block_features"
"""Input: the features in float32 (strips.FEATURES) on which a block depends, shape (N, CHANNELS, rows, columns)."""
BLOCK_PADDING = "block_padding"
"""Input: `Block.padding`. N is at most 1, since ONNX's Pad has one value for a batch."""
BLOCK_SCORES = "block_scores"
"""Output: the exact scores of the block, float32, shape (N, 1, rows, columns)."""
BLOCK_STRIP = 0.8
"""Size of a block's strip as a share of `StripSizes.scores`. Each layer's result is copied before the next: at the same
size, the peak was 1.25 times that of a strip of the whole map (84 MB to 68)."""

_NO_BYTES = np.empty((0, 16, 16, BYTES_OF_CELL), np.uint8)
_NO_FEATURES = np.empty((0, 1, 1, CHANNELS), np.uint8)
_NO_BLOCK = np.empty((0, CHANNELS, 2 * HEAD_RADIUS + 1, 2 * HEAD_RADIUS + 1), np.float32)
_NO_PADDING = np.empty((0, len(HEAD_KERNELS), 8), np.int64)
"""Empty batches, for the parts of the graph that are not used in a run."""


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
        strip = compute(SCANNED, inputs_of(features=features[:, above:below]))
        scores[first:last] = strip[0, 0, first - above : last - above]
    return scores


def block_scores(
    compute: Compute, features: NDArray[np.float32], block: Block, whole: Block, sizes: StripSizes
) -> NDArray[np.float32]:
    """The exact scores of a block, equal to those of the whole map in float32.

    Args:
        compute: the graph.
        features: `strips.features_of` the block's field, float32, shape (1, CHANNELS, rows, columns).
        block: the block.
        whole: the block that is the whole map.
        sizes: area of a strip.

    Returns:
        float32, shape (rows, columns) of the block.
    """
    field = block.field(*whole.size)
    scores = np.empty(block.size, np.float32)
    for first, last in strips(len(scores), int(BLOCK_STRIP * sizes.scores) // features.shape[3]):
        part = block._replace(top=block.top + first, bottom=block.top + last)
        given = np.ascontiguousarray(features[:, :, *part.field(*whole.size).within(field)])
        inputs = inputs_of(block_features=given, block_padding=part.padding(*whole.size))
        scores[first:last] = compute(BLOCK_SCORES, inputs)[0, 0]
    return scores


def inputs_of(
    *,
    tile: NDArray[np.uint8] = _NO_BYTES,
    features: NDArray[np.uint8] = _NO_FEATURES,
    block_features: NDArray[np.float32] = _NO_BLOCK,
    block_padding: NDArray[np.int64] = _NO_PADDING,
) -> dict[str, NDArray[np.generic]]:
    """All inputs of the graph: those of the part that a run computes, and empty batches for the others."""
    return {
        BYTES: tile,
        GIVEN_SCAN_FEATURES: features,
        BLOCK_FEATURES: block_features,
        BLOCK_PADDING: block_padding,
    }


def byte_rows(levels: Levels, layout: Layout, first: int, rows: int) -> NDArray[np.uint8]:
    """Rows of the tile from row `first` on, as the scan's input: BYTES with N = 1."""
    cells = np.empty((1, -(-rows // 2), -(-layout.columns // 4), BYTES_OF_CELL), np.uint8)
    levels.byte_rows(first, cells[0])
    return cells


def _features(compute: Compute, levels: Levels, layout: Layout, first: int, last: int) -> NDArray[np.generic]:
    """Rows `first` to `last` - 1 of the features."""
    cells = byte_rows(levels, layout, first * STRIDE, pixels_of(last - first))
    return compute(SCAN_FEATURES, inputs_of(tile=cells))
