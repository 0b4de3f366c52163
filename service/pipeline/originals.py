"""LRU cache of decoded originals, held under the photo memory budget.

`occ face:migrate` uploads the same original to `/compute` once per face. Decoding is most of such a request (39 ms of
43 at 12 megapixels, 141 of 145 at 48, one core): with the pixels at hand, a further face costs landmarks, chip and
descriptor alone, which do not grow with the photo.

Privacy: pixels of a photo stay in memory after its answer, for `SECONDS` after their last use at most, and are never
written or listed. An upload gets them only by the digest of all of its bytes, that is, with the same file.
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
"""From the last use of an original until it is dropped. The next face of the same photo is sent as soon as the last
is answered: this is the time to upload 10 MB at 1.3 Mbit/s, and a busy service's queue."""

MAXIMUM_ORIGINALS = 4
"""Originals held at a time, each of one caller. A migration is one process with one request at a time; without a
bound, the photos of one face each that follow each other in a library would fill the whole budget."""


def digest(data: bytes | memoryview) -> bytes:
    """The key of an original: BLAKE2b of the file. Releases the GIL; for a worker thread.

    1.4 GB/s on one core. SHA-256 is faster only by the processor's own instructions for it (2.0 GB/s, and 0.7 without).
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
    """Threads that read the pixels at present; these are not dropped meanwhile."""


class Originals:
    """Decoded originals by digest, the least recently used dropped first.

    The bytes of what is held count as lent by `budget`, which takes them back as soon as they are asked for: another
    photo never waits for an original that no thread reads. All methods but `reading` are for the event loop.
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
        """Bytes of all pixels that are held. For any thread."""
        with self._lock:
            return sum(held.pixels.nbytes for held in self._held.values())

    def refresh(self, key: bytes) -> bool:
        """Whether an original is held; it then becomes the most recently used one.

        It may be dropped before it is read: a reader that waits for memory reserves none by this.
        """
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._use(key, held)
            return held is not None

    @contextmanager
    def reading(self, key: bytes) -> Iterator[NDArray[np.uint8] | None]:
        """The pixels, held for as long as the block runs, or None where they have been dropped. For any thread."""
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

    def keep(self, key: bytes, pixels: NDArray[np.uint8], beside: int) -> int:
        """Hold an original; returns how many of the bytes that its photo took from the budget stay lent for it.

        0 where it is not held: because it is already, or because the next reader, which takes `beside` bytes, would
        find no room next to it.
        """
        with self._lock:
            if key in self._held or pixels.nbytes + beside > self._budget.total:
                return 0
            pixels.setflags(write=False)
            self._held[key] = _Held(pixels, time.monotonic())
            surplus = len(self._held) - MAXIMUM_ORIGINALS
            dropped = self._drop(self._idle()[:surplus]) if surplus > 0 else 0
        self._budget.release(dropped)
        self._watch()
        return pixels.nbytes

    def _reclaim(self, wanted: int) -> int:
        """Drop at least `wanted` bytes and return how many, or drop nothing where less is idle."""
        with self._lock:
            chosen, size = list[bytes](), 0
            for key in self._idle():
                if size >= wanted:
                    break
                chosen.append(key)
                size += self._held[key].pixels.nbytes
            return self._drop(chosen) if size >= wanted else 0

    def _expire(self) -> None:
        """Drop what was not used for SECONDS."""
        self._timer = None
        latest = time.monotonic() - SECONDS
        with self._lock:
            dropped = self._drop([key for key in self._idle() if self._held[key].last_use <= latest])
        self._budget.release(dropped)
        self._watch()

    def _watch(self) -> None:
        """Call `_expire` when the first of the originals may have to go."""
        if self._timer is not None:
            return  # no later than that of an original that has been added since
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
        """Keys of the originals that no thread reads, the least recently used first."""
        return [key for key, held in self._held.items() if not held.readers]

    def _drop(self, keys: Iterable[bytes]) -> int:
        """Hold these no more; returns their bytes, which are still to be given back to the budget."""
        return sum(self._held.pop(key).pixels.nbytes for key in keys)
