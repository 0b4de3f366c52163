"""dlib's shape predictors, from the bytes of a file to arrays.

Source: dlib/image_processing/shape_predictor.h, the `deserialize` of shape_predictor, regression_tree and
split_feature; dlib/matrix/matrix.h for matrices.
"""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from conversion.dat.kinds import describe
from conversion.dat.primitives import DatError, Reader, unpacked
from service.recognition.faces.landmarks import Predictor

Item = TypeVar("Item", bound=np.generic)

_VERSION = 1
_MOST = 2**16
"""Stages, trees of a stage, splits of a tree, or pixels of a stage; there are 15, 500, 15 and 500 at most."""


def read_predictor(data: bytes, points: int) -> Predictor:
    """Read a shape predictor of so many points.

    Raises DatError for another kind of file, another number of points, trees of several sizes, and for numbers
    that contradict each other.
    """
    reader = Reader(data)
    _check_kind(data, points)
    reader.version("a shape_predictor", _VERSION)
    initial = unpacked(_column(reader, 2 * points, "the mean face"))

    stages = reader.integer("number of stages", 1, _MOST)
    forests = [_forest(reader, 2 * points) for _ in range(stages)]
    first = _stacked([forest.first for forest in forests], "forests")
    second = _stacked([forest.second for forest in forests], "forests")
    thresholds = _stacked([forest.thresholds for forest in forests], "forests")
    leaves = _stacked([forest.leaves for forest in forests], "forests")
    anchors = _stacked([_anchors(reader, points) for _ in range(_same(reader, stages))], "lists of pixels")
    offsets = _stacked([_offsets(reader) for _ in range(_same(reader, stages))], "lists of offsets")
    reader.end()

    pixels = anchors.shape[1]
    if offsets.shape[:2] != anchors.shape:
        _contradiction(f"{offsets.shape[1]} offsets of {pixels} pixels")
    if max(first.max(), second.max()) >= pixels:
        _contradiction(f"a split asks for a pixel beyond the {pixels} of its stage")
    return Predictor(initial.reshape(points, 2), anchors, offsets, first, second, thresholds, leaves)


def _check_kind(data: bytes, points: int) -> None:
    found, wanted = describe(data), f"a shape_predictor of {points} points"
    if found != wanted:
        raise DatError(f"the file is {found}, where {wanted} is needed")


class _Forest(NamedTuple):
    """The trees of one stage; its arrays are those of a Predictor without their first dimension."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    leaves: NDArray[np.float32]


def _forest(reader: Reader, coordinates: int) -> _Forest:
    trees = reader.integer("number of trees", 1, _MOST)
    splits: list[tuple[int, int, bytes]] = []
    leaves: list[bytes] = []
    depth = None
    for _ in range(trees):
        size = reader.integer("number of splits", 1, _MOST)
        if size & (size + 1):
            _contradiction(f"a tree of {size} splits has no full last level")
        if depth not in (None, size):
            _contradiction(f"trees of {depth} and of {size} splits in one stage are not supported")
        depth = size
        splits += [
            (
                reader.integer("first pixel of a split", 0, _MOST),
                reader.integer("second pixel of a split", 0, _MOST),
                reader.float32_records(1, "threshold of a split"),
            )
            for _ in range(size)
        ]
        if reader.integer("number of leaves", 0) != size + 1:
            _contradiction(f"a tree of {size} splits has {size + 1} leaves")
        leaves += [_column(reader, coordinates, "a leaf") for _ in range(size + 1)]
    first, second, thresholds = zip(*splits, strict=True)
    return _Forest(
        np.array(first, np.int32).reshape(trees, -1),
        np.array(second, np.int32).reshape(trees, -1),
        unpacked(b"".join(thresholds)).reshape(trees, -1),
        unpacked(b"".join(leaves)).reshape(trees, -1, coordinates),
    )


def _column(reader: Reader, rows: int, what: str) -> bytes:
    """A matrix of one column. Its size is stored negated, and as it is in files older than that."""
    size = reader.integer(f"rows of {what}"), reader.integer(f"columns of {what}")
    if size not in ((-rows, -1), (rows, 1)):
        _contradiction(f"{what} has the size {size}, where {rows} rows and a column are needed")
    return reader.float32_records(rows, what)


def _anchors(reader: Reader, points: int) -> NDArray[np.int32]:
    pixels = reader.integer("number of pixels", 1, _MOST)
    return np.array([reader.integer("point of a pixel", 0, points - 1) for _ in range(pixels)], np.int32)


def _offsets(reader: Reader) -> NDArray[np.float32]:
    pixels = reader.integer("number of offsets", 1, _MOST)
    return unpacked(reader.float32_records(2 * pixels, "offsets of pixels")).reshape(pixels, 2)


def _same(reader: Reader, stages: int) -> int:
    return reader.integer("number of stages", stages, stages)


def _stacked(arrays: Sequence[NDArray[Item]], what: str) -> NDArray[Item]:
    if len({array.shape for array in arrays}) > 1:
        _contradiction(f"{what} of several sizes are not supported")
    return np.stack(arrays)


def _contradiction(reason: str) -> NoReturn:
    raise DatError(f"corrupt or of an unknown form: {reason}")
