"""The kinds of scan: in int8 on a CPU, and in float16 on a device."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model_store.models import FLOAT16_SCANNING_DETECTOR, SCANNING_DETECTOR
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.scan import BYTES, BYTES_OF_CELL, GIVEN_SCAN_FEATURES, ScanKind
from service.recognition.cnn.score_map import HEAD_KERNELS, HEAD_RADIUS
from service.recognition.cnn.strips import CHANNELS, Compute, InStrips, StripSizes, strips

BLOCK_FEATURES = "block_features"
"""Input: the features in float32 (strips.FEATURES) on which a block depends, shape (N, CHANNELS, rows, columns)."""
BLOCK_PADDING = "block_padding"
"""Input: `Block.padding`. N is at most 1, since ONNX's Pad has one value for a batch."""
BLOCK_SCORES = "block_scores"
"""Output: the exact scores of the block, float32, shape (N, 1, rows, columns)."""
BLOCK_STRIP = 0.8
"""Size of a block's strip as a share of `StripSizes.scores`. Each layer's result is copied before the next: at the same
size, the peak was 1.25 times that of a strip of the whole map (84 MB to 68)."""


_NO_BLOCK = np.empty((0, CHANNELS, 2 * HEAD_RADIUS + 1, 2 * HEAD_RADIUS + 1), np.float32)
_NO_PADDING = np.empty((0, len(HEAD_KERNELS), 8), np.int64)


def by_head_for_blocks(
    scan: InStrips,
    map_of: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    features: NDArray[np.float32],
    block: Block,
    whole: Block,
) -> NDArray[np.float32]:
    """Scores by the head for blocks in the scan's graph, which computes only what the block depends on."""
    return scan(partial(block_in_strips, features=features, block=block, whole=whole))


def by_strips(
    scan: InStrips,
    map_of: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    features: NDArray[np.float32],
    block: Block,
    whole: Block,
) -> NDArray[np.float32]:
    """Scores by the float32 graph of the whole map, of which those around the block are dropped.

    The head pads the field with zeros on all sides. At an edge of the map it pads the map so too; elsewhere the zeros
    reach the field's outer HEAD_RADIUS places only. A device computes a small rectangle as fast as a smaller one.
    """
    return map_of(features)[block.within(block.field(*whole.size))]


def block_in_strips(
    compute: Compute, sizes: StripSizes, features: NDArray[np.float32], block: Block, whole: Block
) -> NDArray[np.float32]:
    """Scores of a block by the head for blocks; arguments as for `BlockScores`."""
    field = block.field(*whole.size)
    scores = np.empty(block.size, np.float32)
    for first, last in strips(len(scores), int(BLOCK_STRIP * sizes.scores) // features.shape[3]):
        part = block._replace(top=block.top + first, bottom=block.top + last)
        given = np.ascontiguousarray(features[:, :, *part.field(*whole.size).within(field)])
        padding = part.padding(*whole.size)
        scores[first:last] = compute(
            BLOCK_SCORES, {**INT8.idle, BLOCK_FEATURES: given, BLOCK_PADDING: padding}
        )[0, 0]
    return scores


INT8 = ScanKind(
    graph=SCANNING_DETECTOR,
    number_format="int8",
    features=np.uint8,
    idle={
        BYTES: np.empty((0, 16, 16, BYTES_OF_CELL), np.uint8),
        GIVEN_SCAN_FEATURES: np.empty((0, 1, 1, CHANNELS), np.uint8),
        BLOCK_FEATURES: _NO_BLOCK,
        BLOCK_PADDING: _NO_PADDING,
    },
    block_scores=by_head_for_blocks,
)
"""On a CPU (conversion/graphs/scan.py). A block has a head of its own there, since a CPU's time is that of its
products."""
FLOAT16 = ScanKind(
    graph=FLOAT16_SCANNING_DETECTOR,
    number_format="float16",
    features=np.float16,
    idle={
        BYTES: np.empty((0, 16, 16, BYTES_OF_CELL), np.uint8),
        GIVEN_SCAN_FEATURES: np.empty((0, 1, 1, CHANNELS), np.float16),
    },
    block_scores=by_strips,
)
"""On a device (conversion/graphs/scan_float16.py)."""
