"""Sealed memory files (memfd_create(2)): bytes that other processes read through a descriptor, on no file system.

The seals of fcntl(2) make the content immutable for every process, its writer included. Without them, a process that
has mapped the file would get SIGBUS as soon as another one truncates it.
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
    """The descriptor is not a memory file with all seals."""


class SealedMemory:
    """An immutable memory file, owned through its descriptor.

    Attributes:
        descriptor: for `packets.send`.
        size: bytes.
    """

    def __init__(self, descriptor: int) -> None:
        """Take ownership of a descriptor. Raises UnsealedMemory, and closes the descriptor then."""
        try:
            seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        except OSError:  # EINVAL: a descriptor of another kind
            seals = 0
        if seals & SEALS != SEALS:
            os.close(descriptor)
            raise UnsealedMemory("the descriptor is not a memory file with all seals")
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def of(cls, *parts: bytes | memoryview) -> Self:
        """Create a memory file with the concatenation of `parts`. Raises OSError."""
        descriptor = os.memfd_create("face-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            _write(descriptor, parts)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def mapped(self) -> mmap.mmap:
        """Map the content privately (copy-on-write): the buffer is writable, and the file does not change.

        The mapping outlives `close`. Raises OSError; ValueError for an empty file.
        """
        return mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_COPY)

    def read(self, start: int, length: int) -> bytes:
        """Copy `length` bytes from `start` on."""
        return os.pread(self.descriptor, length, start)

    def close(self) -> None:
        """Close the descriptor. The memory is freed once no process has a descriptor or a mapping of it."""
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
        with contextlib.suppress(AttributeError):  # if __init__ failed
            self.close()


def _write(descriptor: int, parts: Iterable[bytes | memoryview]) -> None:
    for part in parts:
        rest = memoryview(part).cast("B")
        while rest:  # write(2) takes 2 GiB at most
            rest = rest[os.write(descriptor, rest) :]
