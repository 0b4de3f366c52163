"""Numba compilation of loops that must round as dlib does, with an on-disk cache of the machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from service.recognition.compute.machine_code import MachineCode

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(*signatures: object) -> Callable[[Function], Function]:
    """Compile a function of numbers and arrays for these numba signatures; it runs without the GIL.

    Without signatures, it is compiled at its first call with each combination of argument types.
    No fast-math: each operation rounds as written and none is fused with another, so that results equal dlib's.
    `machine_code` keeps the machine code on the disk.
    """

    def decorate(function: Function) -> Function:
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
        if dispatcher is function:  # NUMBA_DISABLE_JIT, to debug
            return function
        dispatcher._cache = MachineCode(function)
        for signature in signatures:
            dispatcher.compile(signature)
        if signatures:
            dispatcher.disable_compile()
        return cast(Function, dispatcher)

    return decorate


def inlined(function: Function) -> Function:
    """Inline a function into compiled loops: LLVM vectorises no loop that contains a call."""
    return cast(Function, numba.njit(inline="always")(function))
