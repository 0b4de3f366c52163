"""Dlib's pyramid_down<6> and its bilinear sample positions, shared by the CNN and HOG pyramids, bit for bit.

Level sizes are not here: dlib computes a tiled pyramid's sizes in float64, and pyramid_down's in integers.

Source: dlib/image_transforms/image_pyramid.h (pyramid_down) and dlib/image_transforms/interpolation.h (resize_image).
"""

import numpy as np
from numpy.typing import NDArray

RATE = 6
"""A level is (RATE - 1) / RATE of the one before: pyramid_down<6>, the pyramid of both detectors."""
_SHIFT = 0.3
"""Pixels between the corners of two levels, in the finer one (pyramid_down::point_up and point_down)."""
_LANES = 4
"""Columns that dlib interpolates at once (simd4f in resize_image)."""


def point_up(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map x or y of a level to the level before (pyramid_down::point_up)."""
    return coordinates * (RATE / (RATE - 1.0)) + _SHIFT


def point_down(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map x or y of a level to the level after (pyramid_down::point_down)."""
    return (coordinates - _SHIFT) * ((RATE - 1.0) / RATE)


def row_positions(source: int, target: int) -> NDArray[np.float64]:
    """Position of each of `target` rows among `source` rows with the same corners (resize_image).

    The step is added up in float64, one row after the other: a product would round differently.
    """
    step = _step(source, target)
    return _added_up(-step, step, target)


def column_positions(source: int, target: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Position of each of `target` columns among `source` columns with the same corners (resize_image).

    Returns:
        The first columns in float32: four lanes at a time, as long as all four have a right neighbour. Then the last
        columns in float64, which dlib interpolates one by one.
    """
    step = _step(source, target)
    groups = target // _LANES + 2
    lanes = np.full((groups + 1, _LANES), _LANES * step, np.float32)
    lanes[0] = [-_LANES * step + lane * step for lane in range(_LANES)]
    positions = np.cumsum(lanes, axis=0, dtype=np.float32)[1:]
    outside = np.flatnonzero(positions[:, -1].astype(np.int32) + 1 >= source)
    done = _LANES * (int(outside[0]) if len(outside) else groups)
    tail = _added_up(-step + done * step, step, max(target - done, 0))
    return positions.ravel()[: min(done, target)], tail


def _step(source: int, target: int) -> float:
    return (source - 1) / max(target - 1, 1)


def _added_up(start: float, step: float, count: int) -> NDArray[np.float64]:
    return np.cumsum(np.concatenate([[start], np.full(count, step)]))[1:]
