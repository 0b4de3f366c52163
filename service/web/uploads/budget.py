"""Byte budget of uploads: each grows block by block, oldest first, without deadlock and without starvation."""

import asyncio
from bisect import insort
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class UploadShare:
    """The bytes that one upload holds, from its first block until its answer."""

    budget: "UploadBudget"
    age: int
    """Rank by the time of arrival; the smallest is the oldest."""
    held: int = 0

    async def grow(self, units: int) -> None:
        """Waits until it holds `units` in all. Cancelled while it waits, it keeps what it held."""
        if units > self.held:
            await self.budget._grow(self, units - self.held)

    def complete(self, units: int) -> None:
        """Notes that the upload has been read to its end, and gives back what it holds beyond `units`."""
        self.budget._complete(self, units)


@dataclass(order=True)
class _Request:
    age: int
    share: UploadShare = field(compare=False)
    units: int = field(compare=False)
    granted: asyncio.Future[None] = field(compare=False)


class UploadBudget:
    """Grants bytes to uploads in the order of their arrival. For one event loop.

    Granted are the bytes that have arrived and the next block of each upload, not what its caller declares. So a
    caller that declares much and sends little holds little.

    Uploads that grow can fill the budget with incomplete ones, of which none goes on. Therefore, while no complete
    upload is held, which would give its bytes back, the oldest that waits may exceed the total until its end. So at
    most the total and one upload of the maximum size are granted; and an upload that exceeds the whole budget by itself
    is still served.

    No deadlock: while a request waits, either a complete upload is held, which is answered without more of this
    budget, or one may exceed the total. No starvation: only older uploads and that one come before a request.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.lent = 0
        self._arrived = 0
        self._complete_ones: set[UploadShare] = set()
        self._exceeding: UploadShare | None = None
        self._waiting: list[_Request] = []
        """By age."""

    @property
    def waiting(self) -> int:
        """Uploads that wait for their next block."""
        return len(self._waiting)

    @property
    def waited_for(self) -> int:
        """Bytes of those blocks."""
        return sum(request.units for request in self._waiting)

    @contextmanager
    def share(self) -> Generator[UploadShare, None, None]:
        """The share of one upload, empty at first, and given back when the block ends."""
        self._arrived += 1
        share = UploadShare(self, self._arrived)
        try:
            yield share
        finally:
            self.lent -= share.held
            share.held = 0
            self._complete_ones.discard(share)
            if self._exceeding is share:
                self._exceeding = None
            self._admit()

    async def _grow(self, share: UploadShare, units: int) -> None:
        if share is self._exceeding or (not self._waiting and self.lent + units <= self.total):
            self.lent += units
            share.held += units
            return
        request = _Request(share.age, share, units, asyncio.get_running_loop().create_future())
        insort(self._waiting, request)
        self._admit()
        try:
            await request.granted
        finally:
            if request in self._waiting:  # cancelled
                self._waiting.remove(request)
                self._admit()

    def _complete(self, share: UploadShare, units: int) -> None:
        self.lent -= share.held - units
        share.held = units
        self._complete_ones.add(share)
        self._admit()

    def _admit(self) -> None:
        self._waiting = [request for request in self._waiting if not request.granted.cancelled()]
        while self._waiting and (request := self._next()):
            self._waiting.remove(request)
            self.lent += request.units
            request.share.held += request.units
            request.granted.set_result(None)

    def _next(self) -> _Request | None:
        """The request that may be granted now."""
        oldest = self._waiting[0]
        if self.lent + oldest.units <= self.total:
            return oldest
        if self._exceeding is None and not self._complete_ones:
            self._exceeding = oldest.share
            return oldest
        return None
