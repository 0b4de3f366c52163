"""FIFO queue of photos: a bounded number of places (concurrent photos), and a byte budget."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.pipeline.admission import Budget
from service.recognition.compute.threads import start_pool

Result = TypeVar("Result")


class TimeLimitExceeded(Exception):
    """The time limit that the operator set has passed."""


class Queue:
    """An executor for photos, with `workers` places and `memory` bytes, granted in order of arrival.

    `seconds` (0: none) is the time limit of a photo, from the moment its bytes are granted.
    """

    def __init__(self, workers: int, memory: int, seconds: float = 0) -> None:
        self._seconds = seconds
        self._threads = start_pool(workers, "photo")
        self.places = Budget(workers)
        self.memory = Budget(memory)

    async def run(
        self,
        work: Callable[[], Awaitable[Result]],
        needed_bytes: int = 0,
        keep: Callable[[], int] | None = None,
    ) -> Result:
        """Run `work`, which needs `needed_bytes`, and return or raise what `work` does.

        If this call is cancelled while it waits, the work never runs. If it is cancelled later, the work is cancelled
        too, and the call returns when the work has ended.

        `keep` is called when the work has ended, by an exception too; it returns the number of bytes that stay
        granted. Raises TimeLimitExceeded.
        """
        # The place first: bytes granted to a photo without a place would be idle.
        await self.places.take(1)
        try:
            await self.memory.take(needed_bytes)
        except asyncio.CancelledError:
            self.places.release(1)
            raise

        def ended(running: asyncio.Future[Result]) -> None:
            if not running.cancelled():
                running.exception()  # if it is no longer awaited, asyncio would log it as never retrieved
            self.memory.release(needed_bytes - (keep() if keep else 0))
            self.places.release(1)

        running = asyncio.ensure_future(work())
        # Place and bytes are released when the work has ended, which may be after its cancellation: see `in_thread`.
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
        """Run blocking `work` in a thread. Threads cannot be stopped: a cancelled call returns when `work` ends."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()
            raise

    def close(self) -> None:
        """Wait for the work that is running in threads."""
        self._threads.shutdown()
