"""The input in work, in memory that parent and child share: what a crash or a hang was caused by is known after it."""

import mmap
import struct
from pathlib import Path

from tests.fuzz.mutation import LARGEST

_FIELDS = struct.Struct("<QQdI")
"""Executions, features seen, when the input in work began (0: none is), and how many bytes it has."""


class Slot:
    """A file of one input, mapped into the memory of both processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(_FIELDS.size + LARGEST))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def begin(self, executions: int, features: int, now: float, data: bytes) -> None:
        """Notes an input of at most LARGEST bytes before it is executed. `now` is of the monotonic clock."""
        self._map[_FIELDS.size : _FIELDS.size + len(data)] = data
        _FIELDS.pack_into(self._map, 0, executions, features, now, len(data))

    def end(self, executions: int, features: int) -> None:
        """Notes that no input is in work."""
        _FIELDS.pack_into(self._map, 0, executions, features, 0.0, 0)

    def read(self) -> tuple[int, int, float, bytes]:
        """Executions, features, when the input in work began, or 0, and the input."""
        executions, features, begun, size = _FIELDS.unpack_from(self._map)
        return executions, features, begun, self._map[_FIELDS.size : _FIELDS.size + size]
