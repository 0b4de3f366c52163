"""Loops compiled to machine code at their first call, and kept on the disk for the next start."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(*signatures: str) -> Callable[[Function], Function]:
    """Compile a function of numbers and arrays, for these types of arguments; it runs without the GIL.

    No fast-math: every operation rounds as written and none is fused with another, so that results are dlib's.
    Numba keeps the machine code beside the module, or where that is read-only, in NUMBA_CACHE_DIR or the user's
    cache folder. Where none of them can be written, it is compiled at every start.
    """

    def decorate(function: Function) -> Function:
        def jit(cache: bool) -> Function:
            # Without signatures numba compiles at the first call.
            types = list(signatures) or None
            return cast(Function, numba.njit(types, nogil=True, cache=cache, error_model="numpy")(function))

        try:
            return jit(cache=True)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return jit(cache=False)

    return decorate
