"""The recogniser from start-up to shutdown: opened beside the running server, warmed up, shared, closed."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.engines.protocol import Stage
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face

log = logging.getLogger(__name__)


class Recognizer(Protocol):
    """What this service needs of a recogniser. Thread-safe; every call blocks."""

    def recognize(
        self, image: NDArray[np.uint8], rectangles: Sequence[Rectangle] | None = None
    ) -> list[Face]: ...

    def warm_up(self) -> None: ...

    def stages(self) -> Mapping[str, Stage]: ...

    def close(self) -> None: ...


class NotReady(Exception):
    """The recogniser is still being opened."""


class NeverReady(Exception):
    """The recogniser could not be opened; the server is about to stop."""


class Readiness:
    """Opens the recogniser in a thread, so that the server answers from the first moment and photos wait."""

    def __init__(self, open_: Callable[[], Recognizer], on_failure: Callable[[Exception], None]) -> None:
        self._open = open_
        self._on_failure = on_failure
        self._opening: asyncio.Task[Recognizer] | None = None

    def start(self) -> None:
        """Begins to open the recogniser; `on_failure` hears of it where that fails."""
        self._opening = asyncio.create_task(asyncio.to_thread(self._open_warm))
        self._opening.add_done_callback(self._report)

    async def recognizer(self) -> Recognizer:
        """The recogniser, as soon as it is ready. Raises NeverReady."""
        assert self._opening is not None
        try:
            return await asyncio.shield(self._opening)
        except Exception:
            raise NeverReady("the service could not start; its log says why") from None

    def now(self) -> Recognizer:
        """The recogniser. Raises NotReady while it is not open and warm."""
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            raise NotReady("the models are being loaded; photos sent now wait for them")
        return opening.result()

    async def close(self) -> None:
        """Closes the recogniser, which may still be opening."""
        assert self._opening is not None
        await asyncio.wait([self._opening])
        if self._opening.exception() is None:
            await asyncio.to_thread(self._opening.result().close)

    def _open_warm(self) -> Recognizer:
        recognizer = self._open()
        recognizer.warm_up()
        return recognizer

    def _report(self, opening: asyncio.Task[Recognizer]) -> None:
        if opening.cancelled():
            return
        failure = opening.exception()
        if isinstance(failure, Exception):
            self._on_failure(failure)
        else:
            log.info("ready: %s", opening.result().stages())
