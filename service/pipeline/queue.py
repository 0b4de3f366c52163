"""The queue of photos: work in a bounded number of places, within a byte budget, first come, first served."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.pipeline.admission import Budget
from service.recognition.compute.threads import start_pool

Result = TypeVar("Result")


class TimeLimitExceeded(Exception):
    """The operator's time limit passed."""


class Queue:
    """Runs work in at most `workers` places and `memory` bytes, first come, first served.

    `seconds` (0: none) limit how long work is waited for, from the moment it has a place.
    """

    def __init__(self, workers: int, memory: int, seconds: float = 0) -> None:
        self._seconds = seconds
        self._threads = start_pool(workers, "photo")
        self.places = Budget(workers)
        self.memory = Budget(memory)

    async def run(
        self,
        work: Callable[[], Awaitable[Result]],
        needed: int = 0,
        keep: Callable[[], int] | None = None,
    ) -> Result:
        """What `work`, which needs so many bytes, returns or raises.

        Cancelled while it waits, the work never runs and leaves no trace. Cancelled later, the work is cancelled too,
        and this ends when the work has ended.

        `keep` is called when the work has ended, in whatever way; it returns how many of the bytes stay lent. Raises
        TimeLimitExceeded.
        """
        # The place first: bytes that are reserved for a photo without a place would be unused.
        await self.places.take(1)
        try:
            await self.memory.take(needed)
        except asyncio.CancelledError:
            self.places.release(1)
            raise

        def ended(running: asyncio.Future[Result]) -> None:
            if not running.cancelled():
                running.exception()  # where it is awaited no more, asyncio would log it as never retrieved
            self.memory.release(needed - (keep() if keep else 0))
            self.places.release(1)

        running = asyncio.ensure_future(work())
        # Place and bytes stay taken until the work has ended, which may be after its cancellation: see `in_thread`.
        running.add_done_callback(ended)
        try:
            await asyncio.wait({running}, timeout=self._seconds or None)
        except asyncio.CancelledError:
            running.cancel()
            await asyncio.wait({running})
            raise
        if not running.done():
            running.cancel()
            raise TimeLimitExceeded(
                f"no answer within {self._seconds:g} seconds, the limit that the operator set with REQ_TIMEOUT"
            )
        return running.result()

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """What blocking `work` returns or raises. A thread cannot be stopped: cancelled, this ends when `work` does."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()
            raise

    def close(self) -> None:
        """Waits for the work that is running in threads."""
        self._threads.shutdown()
