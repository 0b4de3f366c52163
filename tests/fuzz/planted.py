"""Targets with one planted fault each, to validate that the fuzzer detects it."""

import ctypes
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.fuzz.target import Loaded, Target

SIZE = 40
"""Bytes; a size that glibc does not round up, so that a block has no padding at its end."""

RARE = b"\xff\x7f"
"""Bytes that only a mutation brings into an input of `rare`."""


def _heap() -> ctypes.PyDLL:
    """Python's wrappers of malloc and free, which run glibc's checks like the calls of any library."""
    heap = ctypes.pythonapi
    heap.PyMem_RawMalloc.restype = ctypes.c_void_p
    heap.PyMem_RawMalloc.argtypes = (ctypes.c_size_t,)
    heap.PyMem_RawFree.argtypes = (ctypes.c_void_p,)
    return heap


def _overrun(data: bytes) -> None:
    """Writes one byte past the end of a block."""
    heap = _heap()
    block = heap.PyMem_RawMalloc(SIZE)
    ctypes.memset(block, 1, SIZE + 1)
    heap.PyMem_RawFree(block)


def _double_free(data: bytes) -> None:
    heap = _heap()
    block = heap.PyMem_RawMalloc(SIZE)
    heap.PyMem_RawFree(block)
    heap.PyMem_RawFree(block)


def _address_0(data: bytes) -> None:
    ctypes.string_at(0)


def _endless(data: bytes) -> None:
    while data:
        pass


def _memory(data: bytes) -> None:
    bytearray(1 << 30)


def _undocumented(data: bytes) -> None:
    raise KeyError(data)


def _documented(data: bytes) -> None:
    raise ValueError(data)


def _rare(data: bytes) -> None:
    if RARE in data:
        raise KeyError("found")


def _target(execute: Callable[[bytes], None]) -> Target:
    return Target(lambda: Loaded(execute, (ValueError,)), cpu_seconds=1)


PLANTED: Mapping[str, Target] = MappingProxyType(
    {
        "overrun": _target(_overrun),
        "double-free": _target(_double_free),
        "address-0": _target(_address_0),
        "endless": _target(_endless),
        "memory": _target(_memory),
        "undocumented": _target(_undocumented),
        "documented": _target(_documented),
        "rare": _target(_rare),
    }
)
