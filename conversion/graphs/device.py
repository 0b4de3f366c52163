"""The CNN face detector as one graph from photos to candidates, for a device with memory of its own.

Between a photo and its few candidates nothing leaves the device: the pyramid is made by the graph. Where its levels
come from and stand depends on the photo's size alone, and comes in tables (service.recognition.cnn.pyramid_tables).

dlib's arithmetic to the last bit, except in up to seven columns at the right of a level: dlib interpolates those in
float64 (service/recognition/cnn/resampling.py).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from conversion.dat.layers import Layer
from conversion.dat.read_network import Network
from conversion.graphs import detector
from conversion.graphs.builder import NORMALISATION_SCALE, GraphBuilder, Port, folded
from conversion.graphs.detector import detector_facts, halves, padded_to_blocks, scored
from conversion.graphs.precision import FLOAT32, Precision
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
"""RGB, of one size."""
TABLES = (
    Port(PLACES, "tensor(int32)", ("P",)),
    Port(PLACES_SIZES, "tensor(int64)", (OF_SOURCES + OF_BLOCKS,)),
    Port(SHARES, "tensor(float)", ("S",)),
    Port(SHARES_SIZES, "tensor(int64)", (OF_SOURCES,)),
)
AT = Port("at", "tensor(int64)", ("K", 4))
"""Of each score above the threshold, in ascending order: photo, 0, row, column."""
ABOVE = Port("above", "tensor(float)", ("K",))
"""Those scores."""
MAP = Port("scores", "tensor(float)", ("N", 1, "score_rows", "score_columns"))
"""All scores: for the proof, and left on the device otherwise."""

ROWS, COLUMNS = 2, 3
"""Axes of (photos, colours, rows, columns)."""
GAP, LEVELS_END = np.array(1e30, np.float32), np.array(1e29, np.float32)
"""What stands where no level does, and what every pixel of one is below. A level of the right column goes before one of
the left. Two values, since a device reads one from the host's memory and the other from its own."""
FORM = (
    "whole photos: the pyramid, dlib's network and its threshold",
    *detector.FORM[1:],
)


def device_facts(network: Network) -> DetectorFacts:
    return replace(detector_facts(network), form=FORM)


def device_graph(network: Network, precision: Precision = FLOAT32) -> bytes:
    """Serialised ONNX model: `photos` and the tables of their size to `at`, `above` and `scores`."""
    facts = detector_facts(network)
    builder = GraphBuilder()
    tile = tile_of_photos(builder, facts.mean)
    scores = scores_of(builder, tile, padded_to_blocks(folded(network.layers)), precision)
    sure = builder.node("Greater", scores, builder.constant(np.array(facts.threshold, np.float32)))
    at = builder.node("Transpose", builder.node("NonZero", sure), perm=[1, 0])
    above = builder.node("GatherND", scores, at)
    return builder.finish("face_detector_on_device", [at, above, scores], [PHOTOS, *TABLES], [AT, ABOVE, MAP])


def scores_of(builder: GraphBuilder, tile: str, layers: Sequence[Layer], precision: Precision) -> str:
    """The map of a tile, both in float32, by layers that compute in a precision."""
    value = precision.entered(builder, tile)
    for some in halves(precision.of(layers)):
        value = scored(builder, value, some, precision)
    return precision.left(builder, value)


def tile_of_photos(builder: GraphBuilder, mean: Sequence[float]) -> str:
    """The tiles of `photos`, (N, 3, rows, columns), as the tables say."""
    places = builder.split(PLACES, PLACES_SIZES, OF_SOURCES + OF_BLOCKS)
    shares = builder.split(SHARES, SHARES_SIZES, OF_SOURCES)

    planes = builder.node("Transpose", PHOTOS.name, perm=[0, 3, 1, 2])  # bytes move faster than floats
    planes = builder.node("Cast", planes, to=TensorProto.FLOAT)
    levels = [builder.node("Div", builder.less_mean(planes, mean), builder.constant(NORMALISATION_SCALE))]
    for first in range(0, OF_SOURCES, 4):
        levels.append(_smaller(builder, levels[-1], places[first : first + 4], shares[first : first + 4]))

    blocks = [places[first : first + 4] for first in range(OF_SOURCES, len(places), 4)]
    return _tile(builder, levels, blocks)


def _smaller(builder: GraphBuilder, level: str, places: Sequence[str], shares: Sequence[str]) -> str:
    """The next level, each pixel of four of this one: dlib's products, and its sum from the left."""
    top, bottom, left, right = places
    up, down, back, across = shares
    upper, lower = (builder.node("Gather", level, rows, axis=ROWS) for rows in (top, bottom))
    corners = []
    for row, by_row in ((upper, up), (lower, down)):
        by_row = builder.node("Unsqueeze", by_row, builder.constant(np.array([1])))
        for columns, by_column in ((left, back), (right, across)):
            share = builder.node("Mul", by_row, by_column)
            corners.append(builder.node("Mul", builder.node("Gather", row, columns, axis=COLUMNS), share))
    total, *others = corners
    for corner in others:
        total = builder.node("Add", total, corner)
    return total


def _tile(builder: GraphBuilder, levels: Sequence[str], blocks: Sequence[Sequence[str]]) -> str:
    """All levels at their places, gaps 0."""
    pads, filling = builder.constant(np.array([0, 0, 1, 1, 0, 0, 0, 0])), builder.constant(GAP)
    bordered = [builder.node("Pad", level, pads, filling) for level in levels]

    def column(numbers: Sequence[int], rows: int, columns: int) -> str:
        return builder.node(
            "Concat",
            *(
                builder.node(
                    "Gather",
                    builder.node("Gather", bordered[number], blocks[number][rows], axis=ROWS),
                    blocks[number][columns],
                    axis=COLUMNS,
                )
                for number in numbers
            ),
            axis=ROWS,
        )

    end, tile = builder.constant(LEVELS_END), builder.constant(np.array(0, np.float32))
    for stacked in (column(range(LEVELS), 0, 1), column(range(LEVELS - 1, -1, -1), 2, 3)):
        tile = builder.node("Where", builder.node("Less", stacked, end), stacked, tile)
    return tile
