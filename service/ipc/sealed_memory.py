"""Sealed memory files (memfd_create(2)): bytes that other processes read by a descriptor, on no file system.

The seals of fcntl(2) make the content immutable for every process, its writer included. Without them a mapping of
another process would fail with SIGBUS as soon as the file is cut.
"""

import contextlib
import fcntl
import mmap
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class UnsealedMemory(Exception):
    """A received descriptor is no memory file with all seals."""


class SealedMemory:
    """An immutable memory file, and the descriptor that keeps it.

    Attributes:
        descriptor: for `packets.send`.
        size: bytes.
    """

    def __init__(self, descriptor: int) -> None:
        """Takes the ownership of a descriptor. Raises UnsealedMemory, and closes it then."""
        try:
            seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        except OSError:  # EINVAL: a descriptor of another kind
            seals = 0
        if seals & SEALS != SEALS:
            os.close(descriptor)
            raise UnsealedMemory("a descriptor is no memory file with all seals")
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def of(cls, *parts: bytes | memoryview) -> Self:
        """A memory file with these bytes, one behind the other. Raises OSError."""
        descriptor = os.memfd_create("face-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            _write(descriptor, parts)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def mapped(self) -> mmap.mmap:
        """The content as a private mapping (copy on write): the buffer counts as writable, and the file stays as it is.

        The mapping outlives `close`. Raises OSError; ValueError for an empty file.
        """
        return mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_COPY)

    def read(self, start: int, length: int) -> bytes:
        """A copy of `length` bytes from `start` on."""
        return os.pread(self.descriptor, length, start)

    def close(self) -> None:
        """Closes the descriptor. The memory is freed when no process has a descriptor or a mapping of it."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # where __init__ failed
            self.close()


def _write(descriptor: int, parts: Iterable[bytes | memoryview]) -> None:
    for part in parts:
        rest = memoryview(part).cast("B")
        while rest:  # write(2) takes 2 GiB at most
            rest = rest[os.write(descriptor, rest) :]
