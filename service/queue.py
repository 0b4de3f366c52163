"""The queue of photos: blocking work in a bounded number of threads, within a byte budget, first come, first served."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from service.admission import Budget
from service.recognition.threads import started

Result = TypeVar("Result")


class CallerGone(Exception):
    """The caller hung up before its answer was ready."""


class TookTooLong(Exception):
    """The operator's time limit passed."""


class Queue:
    """Runs blocking work in at most `workers` threads and `memory` bytes, first come, first served.

    `seconds` (0: none) limit how long a caller waits for its work, from the moment it has a thread.
    """

    def __init__(self, workers: int, memory: int, seconds: float = 0) -> None:
        self._seconds = seconds
        self._threads = started(workers, "photo")
        self.places = Budget(workers)
        self.memory = Budget(memory)

    async def run(
        self, work: Callable[[], Result], needed: int = 0, keep: Callable[[], int] | None = None
    ) -> Result:
        """What `work`, which needs so many bytes, returns or raises.

        Cancelled while it waits, the work never runs and leaves no trace. `keep` is called on the event loop when the
        work has ended, in whatever way; it returns how many of the bytes stay lent. Raises TookTooLong.
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

        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # A thread cannot be stopped: its place and its bytes stay taken until it ends, whether it is awaited or not.
        running.add_done_callback(ended)
        await asyncio.wait({running}, timeout=self._seconds or None)
        if not running.done():
            raise TookTooLong(
                f"no answer within {self._seconds:g} seconds, the limit that the operator set with REQ_TIMEOUT"
            )
        return running.result()

    def close(self) -> None:
        """Waits for the work that is running."""
        self._threads.shutdown()


async def while_caller_waits(work: Awaitable[Result], gone: asyncio.Future[None]) -> Result:
    """What `work` gives, as long as the caller is there; `gone` is done when it hangs up.

    Raises CallerGone as soon as it does; `work` is then cancelled.
    """
    working = asyncio.ensure_future(work)
    either: tuple[asyncio.Future[Any], ...] = (working, gone)
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not working.done():
            working.cancel()
    if working.done():
        return working.result()
    raise CallerGone("the caller hung up")
