"""Middleware that traces requests with a photo, after their key was checked."""

import logging
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.messages import Answer
from service.supervision import Job
from service.web.request_ids import REQUEST_ID
from service.web.request_pipeline import PHOTO, PhotoRequest
from service.web.traces.spans import PhotoSpans, TracedPhoto

log = logging.getLogger(__name__)

UNHANDLED = 500
"""Status of an exception that the access log answers, outside of this middleware."""


class PhotoTraces:
    """Middleware of `/detect` and `/compute`. It measures nothing within a request but its begin and end."""

    def __init__(self, app: ASGIApp, spans: PhotoSpans, model: int) -> None:
        self._app = app
        self._spans = spans
        self._model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = UNHANDLED
        started, begin = time.time_ns(), time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            try:
                self._record(scope, status, started, begin)
            except Exception:
                log.exception("the trace of a photo is lost")

    def _record(self, scope: Scope, status: int, started: int, begin: float) -> None:
        state = scope["state"]
        request: PhotoRequest | None = state.get(PHOTO)
        job = request.job if request else None
        begun = job.begun if job else None
        answer = _answer(job) if job else None
        photo = TracedPhoto(
            route=scope["path"],
            status=status,
            request=state[REQUEST_ID],
            started=started,
            seconds=time.perf_counter() - begin,
            model=self._model,
            upload=job.uploaded - begin if job else None,
            bytes=job.size if job else None,
            format=begun.format if begun else None,
            width=begun.width if begun else None,
            height=begun.height if begun else None,
            faces=answer.faces if answer else None,
            milliseconds=answer.milliseconds if answer else {},
        )
        self._spans.record(photo, Headers(scope=scope))


def _answer(job: Job) -> Answer | None:
    """The answer to a photo; None without one."""
    result = job.result
    failed = not result.done() or result.cancelled() or result.exception() is not None
    return None if failed else result.result()
