"""Warm-up of the recogniser in a thread; photos that arrive meanwhile wait for its end."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.memory import heap
from service.recognition.contract import Stage
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Recognition

log = logging.getLogger(__name__)


class RecognizerInterface(Protocol):
    """The methods of a recogniser that the worker uses. Thread-safe; every call blocks."""

    def recognize_timed(
        self,
        image: NDArray[np.uint8],
        rectangles: Sequence[Rectangle] | None = None,
        *,
        fallback: bool = True,
    ) -> Recognition: ...

    def warm_up(self) -> None: ...

    def stages(self) -> Mapping[str, Stage]: ...


class NotWarm(Exception):
    """The recogniser is still being warmed up."""


class Readiness:
    """Access to the recogniser after its warm-up. For one event loop."""

    def __init__(self, recognizer: RecognizerInterface) -> None:
        self._recognizer = recognizer
        self._warm = asyncio.Event()

    async def warm_up(self) -> None:
        """Warm up the recogniser. Raises the exception of the warm-up."""
        log.info("warming up: one run of every stage, up to 20 s at the first start; photos wait")
        await asyncio.wrap_future(_in_daemon_thread(self._recognizer.warm_up))
        heap.trim()  # memory that only the start needed
        self._warm.set()
        stages = self._recognizer.stages().items()
        log.info("warm: %s", ", ".join(f"{name} by {_computed_by(stage)}" for name, stage in stages))

    async def recognizer(self) -> RecognizerInterface:
        """Wait for the end of the warm-up, and return the recogniser.

        If the warm-up fails, photos that wait here get no answer: the worker exits, and the next one gets them.
        """
        await self._warm.wait()
        return self._recognizer

    def now(self) -> RecognizerInterface:
        """The recogniser. Raises NotWarm."""
        if not self._warm.is_set():
            raise NotWarm
        return self._recognizer


def _computed_by(stage: Stage) -> str:
    precision = "" if stage.precision == Stage.precision else f", {stage.precision}"
    return f"{stage.engine} ({stage.provider}{precision})"


def _in_daemon_thread(work: Callable[[], None]) -> "Future[None]":
    """Run `work` in a daemon thread: process exit does not wait for it, unlike for the threads of asyncio or a pool."""
    done = Future[None]()
    done.set_running_or_notify_cancel()  # its waiter can then no longer cancel it

    def run() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name="warm-up", daemon=True).start()
    return done
