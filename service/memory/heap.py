"""Thresholds of glibc's malloc: small blocks are reused without page faults, and large ones go back to the system."""

import ctypes

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's mallopt(3)."""

WORKER_KEEPS = 4 * 1024**2
"""Both thresholds of a worker, in bytes. NumPy asks for huge pages from this size on, so that larger arrays cause few
page faults.

By default, glibc raises its threshold up to 32 MB as such blocks are freed. The arrays of photos then lie in heaps that
cannot shrink: after 72 photos of mixed sizes, three at a time, a process held 614 MiB instead of 475. With 1 MiB it
held 435, but page faults took 10 ms of 197 at 1.2 megapixels, and 45 of 690 at 4."""

DECODER_KEEPS = 8 * 1024**2
"""Both thresholds of a decoder, in bytes, which keeps them between two images. Otherwise each image causes page faults
for all of its memory: a progressive JPEG of 1.2 megapixels then takes 10.1 ms instead of 5.9, and one of 0.3 megapixels
2.7 ms instead of 1.9."""

_libc = ctypes.CDLL(None)


def keep_free(size: int) -> bool:
    """Keep up to `size` free bytes at the end of each heap until `trim`, and map larger blocks separately.

    For the whole process. Returns False if the C library has no such thresholds.
    """
    mallopt = getattr(_libc, "mallopt", None)
    return mallopt is not None and all(mallopt(name, size) for name in (MMAP_THRESHOLD, TRIM_THRESHOLD))


def trim() -> None:
    """Return all free memory to the system (malloc_trim(3))."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
