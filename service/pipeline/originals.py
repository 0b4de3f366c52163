"""LRU cache of originals, that is, of decoded photos, within the memory budget of photos.

`occ face:migrate` uploads the same original to `/compute` once per face. Decoding takes most of the time of such a
request (39 ms of 43 at 12 megapixels, 141 of 145 at 48, one core). With cached pixels, a further face costs landmarks,
chip and descriptor alone, which do not grow with the photo.

Privacy: the pixels of a photo stay in memory after its response, for at most `SECONDS` after their last use. They are
never written or listed. A request reaches them only by the digest of its whole upload, that is, with the same file.
"""

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.pipeline.admission import Budget

SECONDS = 60.0
"""Time from the last use of an original to its eviction. The app sends the next face of a photo as soon as the last
face is answered. This time covers an upload of 10 MB at 1.3 Mbit/s, or the queue of a busy service."""

MAXIMUM_ORIGINALS = 4
"""Capacity of the cache, for this number of concurrent migrations: each is one process with one request at a time.
Without this bound, a sequence of photos with one face each would fill the whole budget."""


def digest(data: bytes | memoryview) -> bytes:
    """Key of an original: the BLAKE2b digest of its file, 32 bytes. Releases the GIL; for a worker thread.

    1.4 GB/s on one core. SHA-256 is faster only with the processor's SHA instructions (2.0 GB/s, and 0.7 without).
    """
    return hashlib.blake2b(data, digest_size=32).digest()


@dataclass(eq=False)
class _Held:
    """A decoded original."""

    pixels: NDArray[np.uint8]
    """RGB, upright, read-only, shape (rows, columns, 3)."""
    last_use: float
    """Seconds on the monotonic clock."""
    readers: int = 0
    """Number of threads that read the pixels at present, which prevents eviction."""


class Originals:
    """Decoded originals by digest, with LRU eviction.

    The bytes of held originals count as granted by `budget`. For the first request in its queue, the budget reclaims
    the bytes of originals that no thread reads, so that the cache delays no photo. All methods but `reading` are for
    the event loop.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._budget.reclaim = self._reclaim
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        """Least recently used first."""
        self._lock = threading.Lock()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def bytes_held(self) -> int:
        """Total bytes of the held pixels. Thread-safe."""
        with self._lock:
            return sum(held.pixels.nbytes for held in self._held.values())

    def refresh(self, key: bytes) -> bool:
        """True if an original is held; it becomes the most recently used one.

        It may be evicted before it is read: this call reserves nothing.
        """
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._use(key, held)
            return held is not None

    @contextmanager
    def reading(self, key: bytes) -> Iterator[NDArray[np.uint8] | None]:
        """The pixels, not evicted within the block; None if they have been evicted before. Thread-safe."""
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                held.readers += 1
        if held is None:
            yield None
            return
        try:
            yield held.pixels
        finally:
            with self._lock:
                held.readers -= 1
                self._use(key, held)

    def keep(self, key: bytes, pixels: NDArray[np.uint8], reader_bytes: int) -> int:
        """Hold an original; returns the number of its photo's bytes that stay granted for it.

        Returns 0, and holds nothing new, if the original is held already, or if its next reader would not fit into the
        budget. A reader needs `reader_bytes` in addition to the pixels.
        """
        with self._lock:
            if key in self._held or pixels.nbytes + reader_bytes > self._budget.total:
                return 0
            pixels.setflags(write=False)
            self._held[key] = _Held(pixels, time.monotonic())
            surplus = len(self._held) - MAXIMUM_ORIGINALS
            evicted = self._evict(self._idle()[:surplus]) if surplus > 0 else 0
        self._budget.release(evicted)
        self._schedule_expiry()
        return pixels.nbytes

    def _reclaim(self, wanted: int) -> int:
        """Evict at least `wanted` bytes and return their number; evict nothing and return 0 if less is idle."""
        with self._lock:
            chosen, size = list[bytes](), 0
            for key in self._idle():
                if size >= wanted:
                    break
                chosen.append(key)
                size += self._held[key].pixels.nbytes
            return self._evict(chosen) if size >= wanted else 0

    def _expire(self) -> None:
        """Evict originals that were not used for SECONDS."""
        self._timer = None
        latest = time.monotonic() - SECONDS
        with self._lock:
            evicted = self._evict([key for key in self._idle() if self._held[key].last_use <= latest])
        self._budget.release(evicted)
        self._schedule_expiry()

    def _schedule_expiry(self) -> None:
        """Schedule `_expire` for the earliest expiry."""
        if self._timer is not None:
            return  # no later than the expiry of an original that was added since
        now = time.monotonic()
        with self._lock:
            uses = [now if held.readers else held.last_use for held in self._held.values()]
        if uses:
            self._timer = asyncio.get_running_loop().call_later(min(uses) + SECONDS - now, self._expire)

    # The following are called with the lock held.

    def _use(self, key: bytes, held: _Held) -> None:
        held.last_use = time.monotonic()
        self._held.move_to_end(key)

    def _idle(self) -> list[bytes]:
        """Keys of the originals that no thread reads, least recently used first."""
        return [key for key, held in self._held.items() if not held.readers]

    def _evict(self, keys: Iterable[bytes]) -> int:
        """Evict the originals of `keys`; returns their bytes, which the caller releases to the budget."""
        return sum(self._held.pop(key).pixels.nbytes for key in keys)
