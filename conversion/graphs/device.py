"""The CNN face detector for a GPU: one graph from photos to candidates; all values between stay on the device.

The graph builds the pyramid itself. Sampling positions and places of its levels depend on the photo's size alone, and
are inputs: tables (service.recognition.cnn.pyramid_tables).

The pyramid is equal to dlib's to the last bit, except in up to seven columns at the right of a level, which dlib
interpolates in float64 (service/recognition/cnn/resampling.py).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from conversion.dat.layers import Layer
from conversion.dat.read_network import Network
from conversion.graphs import detector
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, folded
from conversion.graphs.detector import detector_facts, halves, padded_to_blocks, run_layers
from model_store.manifest import DetectorFacts
from service.recognition.cnn.pyramid_tables import (
    LEVELS,
    OF_BLOCKS,
    OF_SOURCES,
    PLACES,
    PLACES_SIZES,
    SHARES,
    SHARES_SIZES,
)

PHOTOS = Port("photos", "tensor(uint8)", ("N", "rows", "columns", 3))
"""RGB, all of one size."""
TABLES = (
    Port(PLACES, "tensor(int32)", ("P",)),
    Port(PLACES_SIZES, "tensor(int64)", (OF_SOURCES + OF_BLOCKS,)),
    Port(SHARES, "tensor(float)", ("S",)),
    Port(SHARES_SIZES, "tensor(int64)", (OF_SOURCES,)),
)
AT = Port("at", "tensor(int64)", ("K", 4))
"""Index of each score above the threshold, in ascending order: photo, 0, row, column."""
ABOVE = Port("above", "tensor(float)", ("K",))
"""Scores above the threshold."""
SCORE_MAP = Port("scores", "tensor(float)", ("N", 1, "score_rows", "score_columns"))
"""Score map: read for validation only, and otherwise left on the device."""

ROWS_AXIS, COLUMNS_AXIS = 2, 3
"""Axes of (photos, colours, rows, columns)."""
GAP, LEVELS_END = np.array(1e30, np.float32), np.array(1e29, np.float32)
"""Value of the gaps between levels, and an upper bound of pixels. A level of the right column overlays one of the left.
They are two constants, since a device reads one from host memory and the other from its own memory."""
FORM = (
    "whole photos: the pyramid, dlib's network and its threshold",
    *detector.NETWORK_FORM,
)


def device_facts(network: Network) -> DetectorFacts:
    return replace(detector_facts(network), form=FORM)


def device_graph(network: Network) -> bytes:
    """Serialised ONNX model: `photos` and the tables of their size to `at`, `above` and `scores`."""
    facts = detector_facts(network)
    builder = GraphBuilder()
    tile = tile_of_photos(builder, facts.mean)
    scores = tile_scores(builder, tile, padded_to_blocks(folded(network.layers)))
    exceeds = builder.node("Greater", scores, builder.constant(np.array(facts.threshold, np.float32)))
    at = builder.node("Transpose", builder.node("NonZero", exceeds), perm=[1, 0])
    above = builder.node("GatherND", scores, at)
    return builder.finish(
        "face_detector_on_device", [at, above, scores], [PHOTOS, *TABLES], [AT, ABOVE, SCORE_MAP]
    )


def tile_scores(builder: GraphBuilder, tile: str, layers: Sequence[Layer]) -> str:
    """The score map of a tile; the type of both is that of the weights."""
    first, second = halves(layers)
    return run_layers(builder, run_layers(builder, tile, first), second)


def tile_of_photos(builder: GraphBuilder, mean: Sequence[float]) -> str:
    """Tiles of `photos`, float32, (N, 3, rows, columns), by the tables."""
    places = builder.split(PLACES, PLACES_SIZES, OF_SOURCES + OF_BLOCKS)
    shares = builder.split(SHARES, SHARES_SIZES, OF_SOURCES)

    # Transposed before the cast, since uint8 has a quarter of float32's bytes to move.
    planes = builder.node("Transpose", PHOTOS.name, perm=[0, 3, 1, 2])
    planes = builder.node("Cast", planes, to=TensorProto.FLOAT)
    levels = [builder.node("Div", builder.minus_mean(planes, mean), builder.constant(NORMALISATION_SCALE))]
    for first in range(0, OF_SOURCES, 4):
        levels.append(_smaller(builder, levels[-1], places[first : first + 4], shares[first : first + 4]))

    blocks = [places[first : first + 4] for first in range(OF_SOURCES, len(places), 4)]
    return _tile(builder, levels, blocks)


def _smaller(builder: GraphBuilder, level: str, places: Sequence[str], shares: Sequence[str]) -> str:
    """The next level by bilinear interpolation, with dlib's products and its order of summation, from the left."""
    top, bottom, left, right = places
    top_share, bottom_share, left_share, right_share = shares
    upper, lower = (builder.node("Gather", level, rows, axis=ROWS_AXIS) for rows in (top, bottom))
    corners = []
    for row, row_share in ((upper, top_share), (lower, bottom_share)):
        row_share = builder.node("Unsqueeze", row_share, builder.constant(np.array([1])))
        for columns, column_share in ((left, left_share), (right, right_share)):
            share = builder.node("Mul", row_share, column_share)
            corners.append(
                builder.node("Mul", builder.node("Gather", row, columns, axis=COLUMNS_AXIS), share)
            )
    total, *others = corners
    for corner in others:
        total = builder.node("Add", total, corner)
    return total


def _tile(builder: GraphBuilder, levels: Sequence[str], blocks: Sequence[Sequence[str]]) -> str:
    """All levels at their positions in the tile; gaps are 0."""
    pads, filling = builder.constant(np.array([0, 0, 1, 1, 0, 0, 0, 0])), builder.constant(GAP)
    bordered = [builder.node("Pad", level, pads, filling) for level in levels]

    def column(numbers: Sequence[int], rows: int, columns: int) -> str:
        return builder.node(
            "Concat",
            *(
                builder.node(
                    "Gather",
                    builder.node("Gather", bordered[number], blocks[number][rows], axis=ROWS_AXIS),
                    blocks[number][columns],
                    axis=COLUMNS_AXIS,
                )
                for number in numbers
            ),
            axis=ROWS_AXIS,
        )

    end, tile = builder.constant(LEVELS_END), builder.constant(np.array(0, np.float32))
    for stacked in (column(range(LEVELS), 0, 1), column(range(LEVELS - 1, -1, -1), 2, 3)):
        tile = builder.node("Where", builder.node("Less", stacked, end), stacked, tile)
    return tile
