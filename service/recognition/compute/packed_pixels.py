"""Pixels packed into 32 bits, 0x00BBGGRR: one load fetches all channels, and loops over them are vectorised."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined


def packed(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Pack an image, RGB, uint8, shape (rows, columns, 3), into uint32, shape (rows, columns)."""
    out = np.empty(image.shape[:2], np.uint32)
    _pack(image, out)
    return out


@inlined
def pack_row(row: Any, into: Any) -> None:
    """Pack the first pixels of a row, RGB, shape (columns, 3), into all of `into`. For compiled loops."""
    for column in range(len(into)):
        into[column] = (
            np.uint32(row[column, 0])
            | (np.uint32(row[column, 1]) << np.uint32(8))
            | (np.uint32(row[column, 2]) << np.uint32(16))
        )


_PHOTO = types.Array(types.uint8, 3, "A", readonly=True)
"""An image of any strides. Numba's type for read-only arrays accepts writable ones too."""


@compiled(types.void(_PHOTO, types.uint32[:, ::1]))
def _pack(image: NDArray[np.uint8], out: NDArray[np.uint32]) -> None:
    for row in range(image.shape[0]):
        pack_row(image[row], out[row])


@inlined
def channel(pixel: Any, shift: int) -> Any:
    """One channel of a packed pixel, int32: shift 0, 8 or 16 for red, green or blue. For compiled loops."""
    return np.int32((pixel >> np.uint32(shift)) & np.uint32(255))
