"""The detector for a device that is fast in half precision: it scans in that, and what matters is computed once more.

Blocks of the score map in which a score comes near the threshold are computed in float32, each in a patch of the tile
that it depends on (cnn/rescoring.py). So the answers are float32's, as long as no score is further away in
half precision than the caller allows for: that distance is measured when the graph is proven.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conversion.dat.read_network import Network
from conversion.graphs.builder import GraphBuilder, Port, folded
from conversion.graphs.detector import detector_facts, padded_to_blocks
from conversion.graphs.device import PHOTOS, TABLES, device_facts, scores_of, tile_of_photos
from conversion.graphs.precision import FLOAT16, FLOAT32
from model_store.manifest import DetectorFacts
from service.recognition.cnn.rescoring import (
    BLOCK_SIDE,
    COLUMNS,
    PIXEL_COLUMNS,
    PIXEL_ROWS,
    ROWS,
    SLACK,
    STRIDES,
)
from service.recognition.cnn.score_map import STRIDE

FLOOR = Port("floor", "tensor(float)", ())
"""A block is computed once more where a score of it is above this."""
GRID = (
    Port(ROWS, "tensor(int64)", ("block_rows",)),
    Port(COLUMNS, "tensor(int64)", ("block_columns",)),
    Port(PIXEL_ROWS, "tensor(int64)", ("patch_rows",)),
    Port(PIXEL_COLUMNS, "tensor(int64)", ("patch_columns",)),
    Port(STRIDES, "tensor(int64)", (3,)),
)
BLOCKS = Port("blocks", "tensor(int64)", ("K", 4))
"""Of each block that was computed once more, in ascending order: photo, 0, row and column of the block."""
RESCORED = Port("rescored", "tensor(float)", ("K", 1, "rescored_rows", "rescored_columns"))
"""All scores of their patches."""
SCANNED = Port("scanned", "tensor(float)", ("N", 1, "score_rows", "score_columns"))
"""The map in half precision, left on the device."""
FORM = f"scanned in float16; blocks with a score above {-SLACK} and the threshold once more in float32"
GIVEN = (PHOTOS, *TABLES, FLOOR, *GRID)
MADE = (BLOCKS, RESCORED, SCANNED)


def rescored_facts(network: Network) -> DetectorFacts:
    return replace(device_facts(network), form=(*device_facts(network).form, FORM))


def rescored_graph(network: Network) -> bytes:
    """Serialised ONNX model: `photos` and the tables of their size to `blocks` and their scores."""
    builder = GraphBuilder()
    tile = tile_of_photos(builder, detector_facts(network).mean)
    layers = padded_to_blocks(folded(network.layers))
    scanned = scores_of(builder, tile, layers, FLOAT16)
    blocks = _blocks_above(builder, scanned)
    rescored = scores_of(builder, _patches(builder, tile, blocks), layers, FLOAT32)
    return builder.finish("face_detector_rescored", [blocks, rescored, scanned], GIVEN, MADE)


def _blocks_above(builder: GraphBuilder, scores: str) -> str:
    """(K, 4): photo, 0, row and column of each block with a score above the floor."""
    # As many more rows and columns as make the last block whole, and none that would make another one.
    more = builder.constant(np.array([0, 0, 0, 0, 0, 0, BLOCK_SIDE - 1, BLOCK_SIDE - 1]))
    least = builder.constant(np.array(np.finfo(np.float32).min, np.float32))
    highest = builder.node(
        "MaxPool",
        builder.node("Pad", scores, more, least),
        kernel_shape=[BLOCK_SIDE, BLOCK_SIDE],
        strides=[BLOCK_SIDE, BLOCK_SIDE],
    )
    return builder.node(
        "Transpose", builder.node("NonZero", builder.node("Greater", highest, FLOOR.name)), perm=[1, 0]
    )


def _patches(builder: GraphBuilder, tile: str, blocks: str) -> str:
    """(K, 3, rows, columns) of the tile, by the place of each value in it."""

    def shaped(vector: str, axes: Sequence[int]) -> str:
        return builder.node("Unsqueeze", vector, builder.constant(np.array(axes)))

    def column(number: int) -> str:
        return builder.node("Gather", blocks, builder.constant(np.array(number)), axis=1)

    by_photo, by_colour, by_row = (
        builder.node("Gather", STRIDES, builder.constant(np.array(number)), axis=0) for number in range(3)
    )
    stride = builder.constant(np.array(STRIDE))

    def along(starts: str, number: int, pixels: str) -> str:
        """(K, pixels): the tile's rows or columns under each patch."""
        first = builder.node("Mul", builder.node("Gather", starts, column(number), axis=0), stride)
        return builder.node("Add", shaped(first, [1]), pixels)

    photo = shaped(builder.node("Mul", column(0), by_photo), [1, 2, 3])
    colour = builder.node("Mul", builder.constant(np.arange(3).reshape(1, 3, 1, 1)), by_colour)
    row = builder.node("Mul", shaped(along(ROWS, 2, PIXEL_ROWS), [1, 3]), by_row)
    place = builder.node("Add", row, shaped(along(COLUMNS, 3, PIXEL_COLUMNS), [1, 2]))
    for further in (colour, photo):
        place = builder.node("Add", place, further)
    return builder.node(
        "Gather", builder.node("Reshape", tile, builder.constant(np.array([-1]))), place, axis=0
    )
