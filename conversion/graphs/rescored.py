"""The CNN face detector for a GPU that is fast in float16: a scan in float16, rescored in float32 near the threshold.

Blocks of the score map with a score near the threshold are computed again in float32, each from its patch of the tile
(service/recognition/cnn/rescoring.py). So candidates are those of float32 if the error of every float16 score is within
the caller's slack. That error is measured when the graph is validated.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from conversion.dat.read_network import Network
from conversion.graphs.builder import GraphBuilder, Port, folded, with_weights_as
from conversion.graphs.detector import detector_facts, padded_to_blocks
from conversion.graphs.device import PHOTOS, TABLES, device_facts, tile_of_photos, tile_scores
from model_store.manifest import DetectorFacts
from service.recognition.cnn.rescoring import (
    ARRAY_STEPS,
    BLOCK_SIDE,
    COLUMNS,
    MARGIN,
    PIXEL_COLUMNS,
    PIXEL_ROWS,
    ROWS,
)
from service.recognition.cnn.score_map import STRIDE

FLOOR = Port("floor", "tensor(float)", ())
"""A block with a score above it is rescored."""
GRID = (
    Port(ROWS, "tensor(int64)", ("block_rows",)),
    Port(COLUMNS, "tensor(int64)", ("block_columns",)),
    Port(PIXEL_ROWS, "tensor(int64)", ("patch_rows",)),
    Port(PIXEL_COLUMNS, "tensor(int64)", ("patch_columns",)),
    Port(ARRAY_STEPS, "tensor(int64)", (3,)),
)
BLOCKS = Port("blocks", "tensor(int64)", ("K", 4))
"""Index of each rescored block, in ascending order: photo, 0, row and column of the block."""
RESCORED = Port("rescored", "tensor(float)", ("K", 1, "rescored_rows", "rescored_columns"))
"""All scores of the blocks' patches, in float32."""
SCANNED = Port("scanned", "tensor(float)", ("N", 1, "score_rows", "score_columns"))
"""Score map of the scan in float16, cast to float32; left on the device."""
FORM = f"scanned in float16; blocks with a score above the threshold - {MARGIN} rescored in float32"
INPUTS = (PHOTOS, *TABLES, FLOOR, *GRID)
OUTPUTS = (BLOCKS, RESCORED, SCANNED)


def rescored_facts(network: Network) -> DetectorFacts:
    return replace(device_facts(network), form=(*device_facts(network).form, FORM))


def rescored_graph(network: Network) -> bytes:
    """Serialised ONNX model: `photos`, the tables of their size, `floor` and the grid to `blocks` and their scores."""
    builder = GraphBuilder()
    tile = tile_of_photos(builder, detector_facts(network).mean)
    layers = padded_to_blocks(folded(network.layers))
    tile_float16 = builder.node("Cast", tile, to=TensorProto.FLOAT16)
    scores_float16 = tile_scores(builder, tile_float16, with_weights_as(np.float16, layers))
    scanned = builder.node("Cast", scores_float16, to=TensorProto.FLOAT)
    blocks = _blocks_above(builder, scanned)
    rescored = tile_scores(builder, _patches(builder, tile, blocks), layers)
    return builder.finish("face_detector_rescored", [blocks, rescored, scanned], INPUTS, OUTPUTS)


def _blocks_above(builder: GraphBuilder, scores: str) -> str:
    """Photo, 0, row and column of each block with a score above the floor, (K, 4)."""
    # Padded to complete the last block; BLOCK_SIDE - 1 rows and columns never add a whole block.
    pads = builder.constant(np.array([0, 0, 0, 0, 0, 0, BLOCK_SIDE - 1, BLOCK_SIDE - 1]))
    least = builder.constant(np.array(np.finfo(np.float32).min, np.float32))
    highest = builder.node(
        "MaxPool",
        builder.node("Pad", scores, pads, least),
        kernel_shape=[BLOCK_SIDE, BLOCK_SIDE],
        strides=[BLOCK_SIDE, BLOCK_SIDE],
    )
    return builder.node(
        "Transpose", builder.node("NonZero", builder.node("Greater", highest, FLOOR.name)), perm=[1, 0]
    )


def _patches(builder: GraphBuilder, tile: str, blocks: str) -> str:
    """Patches of the tile, (K, 3, rows, columns), gathered by the flat index of each value."""

    def unsqueezed(vector: str, axes: Sequence[int]) -> str:
        return builder.node("Unsqueeze", vector, builder.constant(np.array(axes)))

    def column(number: int) -> str:
        return builder.node("Gather", blocks, builder.constant(np.array(number)), axis=1)

    photo_stride, colour_stride, row_stride = (
        builder.node("Gather", ARRAY_STEPS, builder.constant(np.array(number)), axis=0) for number in range(3)
    )
    stride = builder.constant(np.array(STRIDE))

    def pixels_along(starts: str, number: int, pixels: str) -> str:
        """The tile's rows or columns under each patch, (K, pixels)."""
        first = builder.node("Mul", builder.node("Gather", starts, column(number), axis=0), stride)
        return builder.node("Add", unsqueezed(first, [1]), pixels)

    photo = unsqueezed(builder.node("Mul", column(0), photo_stride), [1, 2, 3])
    colour = builder.node("Mul", builder.constant(np.arange(3).reshape(1, 3, 1, 1)), colour_stride)
    row = builder.node("Mul", unsqueezed(pixels_along(ROWS, 2, PIXEL_ROWS), [1, 3]), row_stride)
    index = builder.node("Add", row, unsqueezed(pixels_along(COLUMNS, 3, PIXEL_COLUMNS), [1, 2]))
    for offset in (colour, photo):
        index = builder.node("Add", index, offset)
    values = builder.node("Reshape", tile, builder.constant(np.array([-1])))
    return builder.node("Gather", values, index, axis=0)
