"""Image gradients of FHOG: the orientation, snapped to 18 directions, and the length at every pixel of a row.

The gradient of a pixel is that of the colour channel where it is longest. Its orientation comes from a table of all
gradients that bytes can have.

Source: dlib/image_transforms/fhog.h (get_gradient, impl_extract_fhog_features).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined
from service.recognition.compute.packed_pixels import channel

_DIRECTIONS = np.array(
    [
        (1.0, 0.0),
        (0.9397, 0.3420),
        (0.7660, 0.6428),
        (0.5, 0.8660),
        (0.1736, 0.9848),
        (-0.1736, 0.9848),
        (-0.5, 0.8660),
        (-0.7660, 0.6428),
        (-0.9397, 0.3420),
    ],
    np.float32,
)
"""Unit vectors (x, y) of the first 9 orientations, rounded as in fhog.h; the other 9 are opposite."""
_STEEPEST = 255
"""Largest difference of two bytes."""
_ACROSS = 2 * _STEEPEST + 1


def _orientations() -> NDArray[np.uint8]:
    steps = np.arange(-_STEEPEST, _STEEPEST + 1, dtype=np.float32)
    x, y = steps[None, :], steps[:, None]
    best = np.zeros((_ACROSS, _ACROSS), np.float32)
    orientation = np.zeros((_ACROSS, _ACROSS), np.uint8)
    for number, (across, down) in enumerate(_DIRECTIONS):
        dot = x * across + y * down
        for turned, length in ((number, dot), (number + 9, -dot)):
            better = length > best
            best[better] = length[better]
            orientation[better] = turned
    return orientation.ravel()


ORIENTATIONS = _orientations()
"""Orientation, 0 to 17, of the gradient (x, y) at index (y + 255) * 511 + x + 255."""


@compiled()
def gradients(
    west: Any,
    east: Any,
    north: Any,
    south: Any,
    first: int,
    end: int,
    last_wins: bool,
    slopes: Any,
    lengths: Any,
) -> None:
    """Compute the gradients of the pixels `first` to `end` of a row; for compiled loops.

    Args:
        west, east, north, south: packed neighbours of the pixels.
        first, end: half-open range of pixels.
        last_wins: among channels of equal length, take the last (dlib's vector code) instead of the first (its
            scalar code).
        slopes: int32, takes indices into `ORIENTATIONS`.
        lengths: float32, takes the lengths.
    """
    if first >= end:
        return
    bias = np.int32(0 if last_wins else 1)
    # Slices that all begin at 0: indices are never negative, so the loop is vectorised.
    west, east, north, south = west[first:end], east[first:end], north[first:end], south[first:end]
    slopes, lengths = slopes[first:end], lengths[first:end]
    for i in range(end - first):
        x, y, longest = _gradient(west[i], east[i], north[i], south[i], 0)
        green_x, green_y, green = _gradient(west[i], east[i], north[i], south[i], 8)
        longer = green >= np.int32(longest + bias)
        x = green_x if longer else x
        y = green_y if longer else y
        longest = green if longer else longest
        blue_x, blue_y, blue = _gradient(west[i], east[i], north[i], south[i], 16)
        longer = blue >= np.int32(longest + bias)
        x = blue_x if longer else x
        y = blue_y if longer else y
        longest = blue if longer else longest
        slopes[i] = np.int32((y + np.int32(_STEEPEST)) * np.int32(_ACROSS) + x + np.int32(_STEEPEST))
        lengths[i] = np.sqrt(np.float32(longest))


@inlined
def _gradient(west: Any, east: Any, north: Any, south: Any, shift: int) -> Any:
    """Gradient of one channel: x, y and the squared length, int32."""
    x = np.int32(channel(east, shift) - channel(west, shift))
    y = np.int32(channel(south, shift) - channel(north, shift))
    return x, y, np.int32(x * x + y * y)
