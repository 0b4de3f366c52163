"""The current input, in memory shared by parent and child, so that the parent has the input of a crash or hang."""

import mmap
import struct
from pathlib import Path

from tests.fuzz.mutation import LARGEST

_FIELDS = struct.Struct("<QQdI")
"""Executions, features reached, start of the current input (0 if there is none), and its size in bytes."""


class Slot:
    """A file of one input, mapped into the memory of both processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(_FIELDS.size + LARGEST))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def begin(self, executions: int, features: int, now: float, data: bytes) -> None:
        """Records an input of at most LARGEST bytes before its execution. `now` is of the monotonic clock."""
        self._map[_FIELDS.size : _FIELDS.size + len(data)] = data
        _FIELDS.pack_into(self._map, 0, executions, features, now, len(data))

    def end(self, executions: int, features: int) -> None:
        """Records that there is no current input."""
        _FIELDS.pack_into(self._map, 0, executions, features, 0.0, 0)

    def read(self) -> tuple[int, int, float, bytes]:
        """Executions, features reached, start of the current input or 0, and the last input."""
        executions, features, begun, size = _FIELDS.unpack_from(self._map)
        return executions, features, begun, self._map[_FIELDS.size : _FIELDS.size + size]
