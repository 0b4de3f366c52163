"""Byte budget of uploads: granted block by block, oldest upload first, without deadlock and without starvation."""

import asyncio
from bisect import insort
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class UploadShare:
    """Bytes granted to one upload, held from its first block until its answer."""

    budget: "UploadBudget"
    age: int
    """Rank by arrival time; the smallest is the oldest."""
    held: int = 0

    async def grow(self, units: int) -> None:
        """Wait until the share holds `units` in total. If cancelled meanwhile, it keeps the units that it held."""
        if units > self.held:
            await self.budget._grow(self, units - self.held)

    def complete(self, units: int) -> None:
        """Mark the upload as completely read, and release all but `units`."""
        self.budget._complete(self, units)


@dataclass(order=True)
class _Growth:
    """A request for more units, ordered by the age of its share."""

    age: int
    share: UploadShare = field(compare=False)
    units: int = field(compare=False)
    grant: asyncio.Future[None] = field(compare=False)


class UploadBudget:
    """Byte budget that is granted to uploads in the order of their arrival. For one event loop.

    The bytes that have arrived and the next block of each upload are granted, not the declared Content-Length. So a
    large declared length alone occupies nothing.

    Incomplete uploads can fill the budget so that none can continue. Therefore, while no complete upload is held, the
    oldest waiting upload may exceed the total until its end. So at most the total plus one upload of the maximum size
    are granted, and an upload larger than the whole budget is still served.

    No deadlock: while a request waits, either a complete upload is held, or one upload may exceed the total. A complete
    upload is answered without more of this budget. No starvation: only older uploads, and the upload that exceeds the
    total, precede a request.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.granted = 0
        self._arrived = 0
        self._complete_ones: set[UploadShare] = set()
        self._exceeding: UploadShare | None = None
        self._waiting: list[_Growth] = []
        """Sorted by age."""

    @property
    def waiting(self) -> int:
        """Number of uploads that wait for their next block."""
        return len(self._waiting)

    @property
    def requested(self) -> int:
        """Bytes of the blocks for which uploads wait."""
        return sum(request.units for request in self._waiting)

    @contextmanager
    def share(self) -> Generator[UploadShare, None, None]:
        """The share of one upload: empty at first, and released at the end of the `with` block."""
        self._arrived += 1
        share = UploadShare(self, self._arrived)
        try:
            yield share
        finally:
            self.granted -= share.held
            share.held = 0
            self._complete_ones.discard(share)
            if self._exceeding is share:
                self._exceeding = None
            self._admit()

    async def _grow(self, share: UploadShare, units: int) -> None:
        if share is self._exceeding or (not self._waiting and self.granted + units <= self.total):
            self.granted += units
            share.held += units
            return
        request = _Growth(share.age, share, units, asyncio.get_running_loop().create_future())
        insort(self._waiting, request)
        self._admit()
        try:
            await request.grant
        finally:
            if request in self._waiting:  # cancelled
                self._waiting.remove(request)
                self._admit()

    def _complete(self, share: UploadShare, units: int) -> None:
        self.granted -= share.held - units
        share.held = units
        self._complete_ones.add(share)
        self._admit()

    def _admit(self) -> None:
        self._waiting = [request for request in self._waiting if not request.grant.cancelled()]
        while self._waiting and (request := self._next()):
            self._waiting.remove(request)
            self.granted += request.units
            request.share.held += request.units
            request.grant.set_result(None)

    def _next(self) -> _Growth | None:
        """The request that can be granted now, or None."""
        oldest = self._waiting[0]
        if self.granted + oldest.units <= self.total:
            return oldest
        if self._exceeding is None and not self._complete_ones:
            self._exceeding = oldest.share
            return oldest
        return None
