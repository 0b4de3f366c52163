"""Memory and CPU time limits of one image in its decoder child.

The child sets both soft limits before it reads an image. They stop a faulty decoder, but not injected code that
controls the child: that is the task of the sandbox.
"""

import logging
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from service.images.memory import Header, decoding_bytes

log = logging.getLogger(__name__)

MEBIBYTE = 1 << 20

HEADROOM = 1.25
"""Allowed memory per byte of `decoding_bytes`. The AVIF reader checks for 21 bytes a pixel before it decodes;
`decoding_bytes` has 17.7."""
COPIES = 5
"""Number of copies of the upload: the original, and those of readers that drop metadata and of the libraries."""
FIXED_BYTES = (64 + 16 * (os.cpu_count() or 1)) * MEBIBYTE
"""Allowance in bytes for every image: buffers, and a stack of 8 MiB a core in two thread pools (libavif, libheif)."""

BASE_SECONDS = 10.0
"""CPU time that every image may take, whatever its size; `cpu_seconds` adds the terms below."""
SECONDS_PER_MEGAPIXEL = 1.0
"""Valid photos take at most 25 ms a megapixel; a progressive CMYK JPEG without subsampling takes 50."""
SECONDS_PER_MEGABYTE = 5.0
"""The most expensive file that the readers of `images` accept takes 1.7 s (docs/reference/formats-and-limits.md). For
every photo, the sum of the three terms (`cpu_seconds`) suffices for a processor ten times slower than that of
these measurements."""

WALL_SECONDS_PER_CPU_SECOND = 20
"""Timeout of a child's reply, in seconds per second of allowed CPU time: more than an overloaded machine needs."""

STATM = "/proc/self/statm"
RESIDENT, SHARED, DATA = 1, 2, 5
"""Fields of proc(5), in pages: resident memory, file mappings among it, and data with stack."""


def data_bytes(size: int, header: Header | None) -> int:
    """Bytes that decoding of an image of `size` bytes may allocate, or without `header` the parsing of its header."""
    pixels = int(HEADROOM * decoding_bytes(header)) if header is not None else 0
    return pixels + COPIES * size + FIXED_BYTES


def cpu_seconds(size: int, header: Header | None) -> float:
    """CPU time limit of an image of `size` bytes in seconds, for all threads together."""
    area = header.area if header is not None else 0
    return BASE_SECONDS + SECONDS_PER_MEGAPIXEL * area / 1e6 + SECONDS_PER_MEGABYTE * size / 1e6


class OwnMemory:
    """Memory usage of this process, by a descriptor that stays usable when a sandbox denies access to /proc."""

    def __init__(self) -> None:
        self._page = resource.getpagesize()
        try:
            self._statm = os.open(STATM, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # no /proc: no memory limit, and no growth is reported
            self._statm = -1

    def data(self) -> int | None:
        """Bytes that count for RLIMIT_DATA, plus the stack; None without /proc."""
        fields = self._fields()
        return fields[DATA] * self._page if fields else None

    def held(self) -> int:
        """Bytes of resident anonymous memory, pages shared with the fork server included; 0 without /proc."""
        fields = self._fields()
        return (fields[RESIDENT] - fields[SHARED]) * self._page if fields else 0

    def _fields(self) -> list[int]:
        if self._statm < 0:
            return []
        return [int(field) for field in os.pread(self._statm, 200, 0).split()]


@contextmanager
def applied(memory: OwnMemory, size: int, header: Header | None) -> Iterator[None]:
    """Apply the limits of an image of `size` bytes within the block.

    Memory: RLIMIT_DATA, which counts private writable mappings. RLIMIT_AS would also count libraries and sealed memory.
    CPU time: SIGPROF ends the process. RLIMIT_CPU counts whole seconds since the process's start in clock ticks, which
    drift from its CPU time.
    """
    previous_limits = _limit_data(memory, data_bytes(size, header))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds(size, header))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        if previous_limits is not None:
            resource.setrlimit(resource.RLIMIT_DATA, previous_limits)


def _limit_data(memory: OwnMemory, allowed: int) -> tuple[int, int] | None:
    """Set RLIMIT_DATA to `allowed` bytes above present usage; returns the former limits, None if that is denied."""
    present = memory.data()
    if present is None:
        return None
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = present + allowed
        resource.setrlimit(
            resource.RLIMIT_DATA, (limit if soft == resource.RLIM_INFINITY else min(limit, soft), hard)
        )
    except OSError as error:  # a sandbox forbids the calls
        log.debug("the memory of an image is not limited: %s", error.strerror)
        return None
    return soft, hard
