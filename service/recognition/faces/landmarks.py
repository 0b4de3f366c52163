"""Dlib's landmarks: a cascade of regression trees moves the points of a mean face to those of a face in the photo.

A stage of the cascade reads only a few hundred pixels, so the time grows with the number of faces, not with the photo.
The cascade is a compiled loop: the arrays of one face are too short for numpy, which took thirty times as long
as dlib.

Source: dlib/image_processing/shape_predictor.h, with float32 where dlib has it, in the same order of operations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled
from service.recognition.faces.similarity import affine
from service.recognition.geometry import Rectangle

_SQUARE_CORNERS = np.array(
    [
        [-1 - 2.0**-52, -(2.0**-52), 1 + 2.0**-52],
        [1 - 3 * 2.0**-53, -1 + 5 * 2.0**-53, 1.5 * 2.0**-53],
        [0.0, 1 + 2.0**-52, 1.5 * 2.0**-54],
    ]
)
"""The pseudoinverse of the corners (0, 0), (1, 0) and (1, 1) of the unit square of the points, as columns
x, y, 1: (-1 0 1; 1 -1 0; 0 1 0) with the rounding of dlib's pinv (dlib/matrix/matrix_la.h)."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A shape predictor as arrays. Coordinates are relative to the face's rectangle: (0, 0) to (1, 1)."""

    initial: NDArray[np.float32]
    """The mean face (initial_shape), shape (points, 2): x, y."""
    anchors: NDArray[np.int32]
    """Index of the landmark next to each pixel of a stage (anchor_idx), shape (stages, pixels)."""
    offsets: NDArray[np.float32]
    """Offset of the pixel from that landmark in the mean face (deltas), shape (stages, pixels, 2): x, y."""
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    """Indices of the two pixels whose brightness a split compares (idx1, idx2), shape (stages, trees, splits)."""
    thresholds: NDArray[np.float32]
    """A split goes left if the first pixel exceeds the second by more than this, shape as `first`."""
    leaves: NDArray[np.float32]
    """Shift of the points at each leaf (leaf_values), shape (stages, trees, splits + 1, 2 x points)."""

    def record(self) -> NDArray[np.void]:
        """All arrays as the fields of one structured array, for `numpy.save`."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        # Every item has four bytes, so that every field is aligned without padding.
        layout = np.dtype([(name, array.dtype, array.shape) for name, array in arrays.items()])
        record = np.empty(1, layout)
        for name, array in arrays.items():
            record[name][0] = array
        return record

    @classmethod
    def load(cls, file: Path) -> "Predictor":
        """Load the arrays of a file, memory-mapped: unused parts are not read, and processes share the pages."""
        record = np.load(file, mmap_mode="r", allow_pickle=False)
        return cls(**{field.name: np.asarray(record[field.name])[0] for field in fields(cls)})


class Landmarks:
    """Landmarks of faces. Safe to call from many threads; a call releases the GIL while it computes.

    Args:
        predictor: the arrays of dlib's shape predictor.
    """

    def __init__(self, predictor: Predictor) -> None:
        centred = predictor.initial.astype(np.float64)
        centred -= centred.mean(axis=0)
        self._predictor = predictor
        self._normalised = centred / (centred * centred).sum()

    def __call__(self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle]) -> NDArray[np.int64]:
        """Find the landmarks of faces.

        Args:
            image: RGB, uint8, C-contiguous, shape (rows, columns, 3).
            rectangles: the faces in pixels of the image, inside or outside it.

        Returns:
            Shape (faces, points, 2): x, y in pixels of the image, inside or outside it.
        """
        predictor = self._predictor
        points = np.empty((len(rectangles), *predictor.initial.shape), np.int64)
        arrays = (
            *(predictor.initial, predictor.anchors, predictor.offsets),
            *(predictor.first, predictor.second, predictor.thresholds, predictor.leaves),
        )
        if rectangles:
            _find(image, np.stack([*map(_to_image, rectangles)]), self._normalised, *arrays, points)
        return points


def _to_image(rectangle: Rectangle) -> NDArray[np.float64]:
    """The transform of the unit square to a rectangle: shape (2, 3), the shift as the last column."""
    # Dlib keeps the corners in float32, which rounds beyond 2^24.
    left, top, right, bottom = np.array(rectangle, np.float32).astype(np.float64)
    return affine(_SQUARE_CORNERS, np.array([[left, right, right], [top, top, bottom]]))


def _array(item: types.Type, dimensions: int) -> types.Array:
    return types.Array(item, dimensions, "C", readonly=True)


@compiled(types.int64(types.float64, types.float64, types.float64, types.float64, types.float64))
def _pixel(across: float, down: float, shift: float, x: float, y: float) -> int:
    """One coordinate of the pixel at (x, y) of a face's rectangle, with halves rounded up as in dlib's point."""
    return math.floor(across * x + down * y + shift + 0.5)


@compiled(
    types.void(
        _array(types.uint8, 3),
        _array(types.float64, 3),
        _array(types.float64, 2),
        _array(types.float32, 2),
        _array(types.int32, 2),
        _array(types.float32, 3),
        _array(types.int32, 3),
        _array(types.int32, 3),
        _array(types.float32, 3),
        _array(types.float32, 4),
        types.int64[:, :, ::1],
    )
)
def _find(
    image: NDArray[np.uint8],
    to_image: NDArray[np.float64],
    normalised: NDArray[np.float64],
    initial: NDArray[np.float32],
    anchors: NDArray[np.int32],
    offsets: NDArray[np.float32],
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    thresholds: NDArray[np.float32],
    leaves: NDArray[np.float32],
    points: NDArray[np.int64],
) -> None:
    """Write the landmarks of faces to `points`.

    `image` is RGB, shape (rows, columns, 3); `points` has shape (faces, points, 2). `to_image` has a transform for each
    face, shape (faces, 2, 3). `normalised` is the mean face about its centre, divided by its sum of squares. The arrays
    of a predictor follow it.

    All faces pass a stage before the next, while its trees are in the CPU's cache.
    """
    stages, trees, splits = first.shape
    shapes = np.empty((len(points), *initial.shape), np.float32)
    shapes[:] = initial
    brightness = np.empty(anchors.shape[1], np.float32)
    for stage in range(stages):
        for face in range(len(points)):
            shape, transform = shapes[face], to_image[face]
            # Rotation and scale of the face relative to the mean face: Umeyama's equations in closed form for the
            # plane. Dlib uses a singular value decomposition; both agree to 1e-15, which vanishes in float32.
            along = across = 0.0
            for point in range(len(shape)):
                x, y = np.float64(shape[point, 0]), np.float64(shape[point, 1])
                along += x * normalised[point, 0] + y * normalised[point, 1]
                across += y * normalised[point, 0] - x * normalised[point, 1]
            cosine, sine = np.float32(along), np.float32(across)
            for pixel in range(anchors.shape[1]):
                anchor = anchors[stage, pixel]
                across_face, down_face = offsets[stage, pixel, 0], offsets[stage, pixel, 1]
                px = cosine * across_face + -sine * down_face + shape[anchor, 0]
                py = sine * across_face + cosine * down_face + shape[anchor, 1]
                column = _pixel(transform[0, 0], transform[0, 1], transform[0, 2], px, py)
                row = _pixel(transform[1, 0], transform[1, 1], transform[1, 2], px, py)
                if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                    red, green, blue = image[row, column, 0], image[row, column, 1], image[row, column, 2]
                    brightness[pixel] = (np.int64(red) + np.int64(green) + np.int64(blue)) // 3
                else:
                    brightness[pixel] = 0
            for tree in range(trees):
                ones, others, limits = first[stage, tree], second[stage, tree], thresholds[stage, tree]
                node = np.uintp(0)  # without a sign: Numba would check each index for values below zero
                while node < splits:
                    one, other = np.uintp(ones[node]), np.uintp(others[node])
                    right = not brightness[one] - brightness[other] > limits[node]
                    node = np.uintp(2) * node + np.uintp(1) + np.uintp(right)
                leaf = leaves[stage, tree, node - np.uintp(splits)]
                for point in range(len(shape)):
                    shape[point, 0] += leaf[2 * point]
                    shape[point, 1] += leaf[2 * point + 1]
    for face in range(len(points)):
        transform = to_image[face]
        for point in range(points.shape[1]):
            x, y = np.float64(shapes[face, point, 0]), np.float64(shapes[face, point, 1])
            points[face, point, 0] = _pixel(transform[0, 0], transform[0, 1], transform[0, 2], x, y)
            points[face, point, 1] = _pixel(transform[1, 0], transform[1, 1], transform[1, 2], x, y)
