"""Memory and CPU time that one image may take in its decoder child.

Both are soft limits that the child sets itself before it touches an image, so they hold against a decoder that goes
astray, not against code that has taken the child over.
"""

import logging
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from service.images.memory import Header, decoding_peak_bytes

log = logging.getLogger(__name__)

MEBIBYTE = 1 << 20

HEADROOM = 1.25
"""Allowed memory per counted byte. The AVIF reader asks beforehand for 21 bytes a pixel, where 17.7 are counted."""
COPIES = 5
"""Of the upload: as it came, and those of readers that leave out metadata and of the libraries themselves."""
FIXED_BYTES = (64 + 16 * (os.cpu_count() or 1)) * MEBIBYTE
"""Bytes whatever the size: buffers, and a stack of 8 MiB a core in each of two pools of threads (libavif, libheif)."""

BASE_SECONDS = 10.0
SECONDS_PER_MEGAPIXEL = 1.0
"""Honest photos take 25 ms a megapixel at most; a progressive CMYK JPEG without subsampling takes 50."""
SECONDS_PER_MEGABYTE = 5.0
"""The costliest file that the readers of `images` accept takes 1.7 s. Processors ten times slower than the one that
these figures come from stay within the sum of all three for every photo."""

WALL_SECONDS_PER_CPU_SECOND = 20
"""Seconds on the clock per second of allowed CPU time, after which a child counts as hanging: more than an overloaded
machine needs."""

STATM = "/proc/self/statm"
RESIDENT, SHARED, DATA = 1, 2, 5
"""Fields of proc(5): pages in memory, those of files among them, and pages of data and stack."""


def data_bytes(size: int, header: Header | None) -> int:
    """Bytes that an image of `size` bytes may allocate: all its pixels, or without `header` its header alone."""
    pixels = int(HEADROOM * decoding_peak_bytes(header)) if header is not None else 0
    return pixels + COPIES * size + FIXED_BYTES


def cpu_seconds(size: int, header: Header | None) -> float:
    """Seconds of CPU time, of all threads together, for an image of `size` bytes."""
    area = header.area if header is not None else 0
    return BASE_SECONDS + SECONDS_PER_MEGAPIXEL * area / 1e6 + SECONDS_PER_MEGABYTE * size / 1e6


class OwnMemory:
    """The memory of this process, from a descriptor that stays open where a sandbox closes /proc later."""

    def __init__(self) -> None:
        self._page = resource.getpagesize()
        try:
            self._statm = os.open(STATM, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # no /proc: no limit of memory, and no growth seen
            self._statm = -1

    def data(self) -> int | None:
        """Bytes that count for RLIMIT_DATA, and the stack; None where the system does not say."""
        fields = self._fields()
        return fields[DATA] * self._page if fields else None

    def held(self) -> int:
        """Bytes in memory that belong to this process and its fork server alone; 0 where the system does not say."""
        fields = self._fields()
        return (fields[RESIDENT] - fields[SHARED]) * self._page if fields else 0

    def _fields(self) -> list[int]:
        if self._statm < 0:
            return []
        return [int(field) for field in os.pread(self._statm, 200, 0).split()]


@contextmanager
def applied(memory: OwnMemory, size: int, header: Header | None) -> Iterator[None]:
    """Limits within the block, for an image of `size` bytes.

    Memory: RLIMIT_DATA, which counts private writable mappings. RLIMIT_AS would count libraries and sealed memory too.
    CPU time: SIGPROF ends the process. RLIMIT_CPU counts whole seconds from the process's start by clock ticks, which
    drift away from its CPU time.
    """
    before = _limit_data(memory, data_bytes(size, header))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds(size, header))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        if before is not None:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _limit_data(memory: OwnMemory, allowed: int) -> tuple[int, int] | None:
    """Limits RLIMIT_DATA to `allowed` bytes more than now. The limits before; None where the system has denied it."""
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
        log.debug("an image may take any memory: %s", error.strerror)
        return None
    return soft, hard
