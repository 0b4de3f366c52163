"""Reader of dlib's shape predictors.

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
_MAXIMUM_COUNT = 2**16
"""Upper bound of stages, trees per stage, splits per tree, and pixels per stage: 15, 500, 15 and 800 in the files."""


def read_predictor(data: bytes, points: int) -> Predictor:
    """Read a shape predictor with this number of points.

    Raises DatError for another kind of file, another number of points, trees of several sizes, and inconsistent
    numbers.
    """
    reader = Reader(data)
    _check_kind(data, points)
    reader.version("a shape_predictor", _VERSION)
    initial = unpacked(_column(reader, 2 * points, "the mean face"))

    stages = reader.integer("number of stages", 1, _MAXIMUM_COUNT)
    forests = [_forest(reader, 2 * points) for _ in range(stages)]
    first = _stacked([forest.first for forest in forests], "forests")
    second = _stacked([forest.second for forest in forests], "forests")
    thresholds = _stacked([forest.thresholds for forest in forests], "forests")
    leaves = _stacked([forest.leaves for forest in forests], "forests")
    anchors = _stacked([_anchors(reader, points) for _ in range(_stages(reader, stages))], "lists of pixels")
    offsets = _stacked([_offsets(reader) for _ in range(_stages(reader, stages))], "lists of offsets")
    reader.end()

    pixels = anchors.shape[1]
    if offsets.shape[:2] != anchors.shape:
        _inconsistent(f"{offsets.shape[1]} offsets of {pixels} pixels")
    if max(first.max(), second.max()) >= pixels:
        _inconsistent(f"a split has a pixel beyond the {pixels} of its stage")
    return Predictor(initial.reshape(points, 2), anchors, offsets, first, second, thresholds, leaves)


def _check_kind(data: bytes, points: int) -> None:
    found, expected = describe(data), f"a shape_predictor of {points} points"
    if found != expected:
        raise DatError(f"expected {expected}, found {found}")


class _Forest(NamedTuple):
    """Trees of one stage: arrays of a Predictor without their first dimension."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    leaves: NDArray[np.float32]


def _forest(reader: Reader, coordinates: int) -> _Forest:
    trees = reader.integer("number of trees", 1, _MAXIMUM_COUNT)
    splits: list[tuple[int, int, bytes]] = []
    leaves: list[bytes] = []
    splits_per_tree = None
    for _ in range(trees):
        size = reader.integer("number of splits", 1, _MAXIMUM_COUNT)
        if size & (size + 1):
            _inconsistent(f"a tree of {size} splits has no full last level")
        if splits_per_tree not in (None, size):
            _inconsistent(f"trees of {splits_per_tree} and of {size} splits in one stage are not supported")
        splits_per_tree = size
        splits += [
            (
                reader.integer("first pixel of a split", 0, _MAXIMUM_COUNT),
                reader.integer("second pixel of a split", 0, _MAXIMUM_COUNT),
                reader.float32_records(1, "threshold of a split"),
            )
            for _ in range(size)
        ]
        if reader.integer("number of leaves", 0) != size + 1:
            _inconsistent(f"a tree of {size} splits has {size + 1} leaves")
        leaves += [_column(reader, coordinates, "a leaf") for _ in range(size + 1)]
    first, second, thresholds = zip(*splits, strict=True)
    return _Forest(
        np.array(first, np.int32).reshape(trees, -1),
        np.array(second, np.int32).reshape(trees, -1),
        unpacked(b"".join(thresholds)).reshape(trees, -1),
        unpacked(b"".join(leaves)).reshape(trees, -1, coordinates),
    )


def _column(reader: Reader, rows: int, what: str) -> bytes:
    """Packed matrix of one column. Its size is stored as negative numbers, in older files as positive numbers."""
    size = reader.integer(f"rows of {what}"), reader.integer(f"columns of {what}")
    if size not in ((-rows, -1), (rows, 1)):
        _inconsistent(f"{what} has the size {size} instead of {rows} rows and a column")
    return reader.float32_records(rows, what)


def _anchors(reader: Reader, points: int) -> NDArray[np.int32]:
    pixels = reader.integer("number of pixels", 1, _MAXIMUM_COUNT)
    return np.array([reader.integer("point of a pixel", 0, points - 1) for _ in range(pixels)], np.int32)


def _offsets(reader: Reader) -> NDArray[np.float32]:
    pixels = reader.integer("number of offsets", 1, _MAXIMUM_COUNT)
    return unpacked(reader.float32_records(2 * pixels, "offsets of pixels")).reshape(pixels, 2)


def _stages(reader: Reader, stages: int) -> int:
    """The number of stages, repeated before each list; must be equal."""
    return reader.integer("number of stages", stages, stages)


def _stacked(arrays: Sequence[NDArray[Item]], what: str) -> NDArray[Item]:
    if len({array.shape for array in arrays}) > 1:
        _inconsistent(f"{what} of several sizes are not supported")
    return np.stack(arrays)


def _inconsistent(reason: str) -> NoReturn:
    raise DatError(f"corrupt or of an unsupported form: {reason}")
