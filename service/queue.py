"""Photos wait here for their turn: a fixed number is worked on at a time, the event loop on none of them."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.types import Receive

Result = TypeVar("Result")


class CallerGone(Exception):
    """The caller hung up before its answer was ready."""


class TookTooLong(Exception):
    """The operator's time limit passed."""


class Queue:
    """Runs blocking work in at most `workers` threads, first come, first served.

    `seconds` (0: none) limit how long a caller waits for its work, from the moment it has a thread.
    """

    def __init__(self, workers: int, seconds: float = 0) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="photo")
        self._free = asyncio.Semaphore(workers)

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises. Cancelled while it waits, the work never runs and leaves no trace.

        Raises TookTooLong.
        """
        await self._free.acquire()
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.add_done_callback(lambda _: self._free.release())
        # A thread cannot be stopped: its place stays taken until it ends, whoever still waits for the result.
        await asyncio.wait({running}, timeout=self._seconds or None)
        if not running.done():
            raise TookTooLong(
                f"no answer within {self._seconds:g} seconds, the limit that the operator set with REQ_TIMEOUT"
            )
        return running.result()

    def close(self) -> None:
        """Waits for the work that is running."""
        self._threads.shutdown()


async def while_caller_waits(work: Awaitable[Result], receive: Receive) -> Result:
    """What `work` gives, as long as the caller of a request whose body is read stays connected.

    Raises CallerGone as soon as it hangs up; `work` is then cancelled.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_hung_up(receive))
    try:
        done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
    if working in done:
        return working.result()
    raise CallerGone("the caller hung up")


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
