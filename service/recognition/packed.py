"""Pixels packed into 32 bits, 0x00BBGGRR: one load fetches a colour, and loops over them fill vector registers."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def packed(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """RGB, uint8, shape (rows, columns, 3), as uint32, shape (rows, columns)."""
    out = np.zeros((*image.shape[:2], 4), np.uint8)
    out[..., :3] = image
    return out.view("<u4")[..., 0]


def inlined(function: Function) -> Function:
    """A part of a compiled loop: put in where it is called, since a loop with a call is no vector loop."""
    return cast(Function, numba.njit(inline="always")(function))


@inlined
def channel(pixel: Any, shift: int) -> Any:
    """One channel of a packed pixel, int32: shift 0, 8 or 16 for red, green or blue. For compiled loops."""
    return np.int32((pixel >> np.uint32(shift)) & np.uint32(255))
