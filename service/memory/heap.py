"""Thresholds of glibc's malloc: the memory of a photo goes back to the system when the photo is done."""

import ctypes

MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of glibc's mallopt(3)."""
LARGE = 1024**2
"""Bytes from which memory is mapped for itself and unmapped when it is free. Left alone, glibc raises the threshold
to 32 MB as photos come, and their arrays lie among others in heaps that cannot shrink: after 72 photos of mixed sizes,
three at a time, the process held 980 MB in place of 420, and 1,400 at its peak in place of 1,060."""

TRIM_THRESHOLD = -1
"""M_TRIM_THRESHOLD."""
KEPT = 8 * 1024**2
"""Bytes that a decoder keeps between two images, and its threshold in the place of LARGE. Otherwise each image
faults all of its pages in again: of 1.2 megapixels, a progressive JPEG takes 10.1 ms in place of 5.9, and of 0.3
megapixels 2.7 in place of 1.9."""

_libc = ctypes.CDLL(None)


def give_large_blocks_back(threshold: int = LARGE) -> bool:
    """Fix the size of large blocks for this process. Returns whether the C library has such a threshold."""
    mallopt = getattr(_libc, "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, threshold))


def keep_between_images() -> bool:
    """Keep KEPT bytes of free memory until `give_all_back`, for a process with one thread that decodes images."""
    return give_large_blocks_back(KEPT) and bool(_libc.mallopt(TRIM_THRESHOLD, KEPT))


def give_all_back() -> None:
    """Return all free memory to the system (malloc_trim(3))."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
