"""A fuzz target: a function of bytes, its documented errors, and its limits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

AREA = 1_000_000
"""Pixels, the largest area of an image: enough for every loop of a decoder, and decoded within milliseconds."""


class Loaded(NamedTuple):
    """A target in the child process, with its libraries imported."""

    execute: Callable[[bytes], object]
    documented: tuple[type[Exception], ...]
    """All errors that `execute` may raise."""


@dataclass(frozen=True)
class Target:
    """A function of bytes, and the limits of each execution."""

    load: Callable[[], Loaded]
    tokens: tuple[bytes, ...] = ()
    """Words of the format, for the mutations."""
    memory: int = 64 << 20
    """Bytes that may be allocated in addition to those of the process before the first mutated input."""
    cpu_seconds: int = 10
    """Limit of one execution with the heap checks; most of it goes into the recording of coverage."""
    weight: int = 1
    """Share of the time if all targets run."""


def words(text: bytes) -> tuple[bytes, ...]:
    """Tokens that are separated by white space."""
    return tuple(text.split())
