"""Pixels packed into 32 bits, 0x00BBGGRR: one load fetches all channels, and loops over them are vectorised."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from service.recognition.compute.compiled import compiled, inlined


def packed(image: NDArray[np.uint8], left: int = 0, right: int | None = None) -> NDArray[np.uint32]:
    """Pack columns `left` to `right` of an image, RGB, uint8, shape (rows, columns, 3), into uint32."""
    rows, columns = image.shape[:2]
    out = np.empty((rows, (columns if right is None else right) - left), np.uint32)
    _pack(np.ascontiguousarray(image).reshape(rows, 3 * columns), left, out)
    return out


_CHANNELS, _GREEN, _BLUE = np.uint64(3), np.uint64(1), np.uint64(2)


@inlined
def pack_row(line: Any, into: Any) -> None:
    """Pack the first pixels of a row, its bytes one after another, into all of `into`. For compiled loops."""
    for i in range(len(into)):
        # Unsigned: numba tests a signed index for wrap-around in every iteration.
        red = np.uint64(i) * _CHANNELS
        into[i] = (
            np.uint32(line[red])
            | (np.uint32(line[red + _GREEN]) << np.uint32(8))
            | (np.uint32(line[red + _BLUE]) << np.uint32(16))
        )


_ROWS = types.Array(types.uint8, 2, "C", readonly=True)
"""Numba's type for read-only arrays accepts writable ones too."""


@compiled(types.void(_ROWS, types.int64, types.uint32[:, ::1]))
def _pack(rows: NDArray[np.uint8], left: int, out: NDArray[np.uint32]) -> None:
    for row in range(len(out)):
        pack_row(rows[row][3 * left :], out[row])


@inlined
def channel(pixel: Any, shift: int) -> Any:
    """One channel of a packed pixel, int32: shift 0, 8 or 16 for red, green or blue. For compiled loops."""
    return np.int32((pixel >> np.uint32(shift)) & np.uint32(255))
