"""The recogniser from start-up to shutdown: warmed up beside the running server, shared, closed."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.engines.protocol import Stage
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Recognition

log = logging.getLogger(__name__)

NEVER = "the service could not start; its log says why"


class Recognizer(Protocol):
    """What this service needs of a recogniser. Thread-safe; every call blocks."""

    def recognize_timed(
        self,
        image: NDArray[np.uint8],
        rectangles: Sequence[Rectangle] | None = None,
        *,
        stand_in: bool = True,
    ) -> Recognition: ...

    def warm_up(self) -> None: ...

    def stages(self) -> Mapping[str, Stage]: ...

    def close(self) -> None: ...


class NotReady(Exception):
    """The recogniser is still being warmed up."""


class NeverReady(Exception):
    """The recogniser could not be warmed up; the server is about to stop."""


class Readiness:
    """Warms the recogniser up in a thread, so that the server answers from the first moment and photos wait."""

    def __init__(self, recognizer: Recognizer, on_failure: Callable[[BaseException], None]) -> None:
        self._recognizer = recognizer
        self._on_failure = on_failure
        self._warming: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begins the warm-up; `on_failure` is called where it fails."""
        self._warming = asyncio.wrap_future(_in_daemon_thread(self._recognizer.warm_up))
        self._warming.add_done_callback(self._report)

    def check(self) -> None:
        """Raises NeverReady once it is known that no photo will be answered."""
        if self._warming is not None and self._warming.done() and not self._warm():
            raise NeverReady(NEVER)

    async def recognizer(self) -> Recognizer:
        """The recogniser, as soon as it is ready. Raises NeverReady."""
        assert self._warming is not None
        try:
            await asyncio.shield(self._warming)
        except Exception:
            raise NeverReady(NEVER) from None
        return self._recognizer

    def now(self) -> Recognizer:
        """The recogniser. Raises NotReady while it is not warm."""
        if not self._warm():
            raise NotReady("the models are being loaded; photos sent now wait for them")
        return self._recognizer

    async def close(self) -> None:
        """Closes the recogniser, or leaves it to its thread where it still warms up: see `abandoned`."""
        assert self._warming is not None
        if self._warming.done():
            await asyncio.to_thread(self._recognizer.close)
        else:
            self._warming.cancel()

    @property
    def abandoned(self) -> bool:
        """Whether the service was closed during the warm-up, which takes seconds where loops are compiled. Its thread
        still runs then, so the process has to be ended by `early_exit.exit_now`."""
        return self._warming is not None and self._warming.cancelled()

    def _warm(self) -> bool:
        warming = self._warming
        return (
            warming is not None and warming.done() and not warming.cancelled() and warming.exception() is None
        )

    def _report(self, warming: asyncio.Future[None]) -> None:
        if warming.cancelled():
            return
        if failure := warming.exception():
            self._on_failure(failure)
        else:
            stages = self._recognizer.stages().items()
            log.info(
                "ready: %s",
                ", ".join(f"{name} by {stage.engine} ({stage.provider})" for name, stage in stages),
            )


def _in_daemon_thread(work: Callable[[], None]) -> "Future[None]":
    """`work` in a thread that the process's end does not wait for, unlike those of asyncio's and of any pool."""
    done = Future[None]()
    done.set_running_or_notify_cancel()  # cancelled by its waiter, it can still be given a result

    def run() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name="warm-up", daemon=True).start()
    return done
