"""Request pipeline of a photo in the web process: upload within a byte budget, then the worker's answer."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from service.settings import Settings
from service.supervision import Dispatch, Job
from service.web.connections import HUNG_UP
from service.web.metrics import Metrics
from service.web.uploads import UploadBudget, UploadShare, read_upload

Result = TypeVar("Result")


class CallerGone(Exception):
    """The caller hung up before its answer was ready."""


@dataclass
class Visit:
    """The state of one request with a photo."""

    job: Job | None = None
    """The photo, once the upload is complete."""

    @property
    def photo(self) -> str:
        """Waiting, or in work; for the metrics."""
        return "in work" if self.job is not None and self.job.in_work else "waiting"


@dataclass(frozen=True)
class Intake:
    """Admission control by bytes for uploads, which are held until the answer."""

    settings: Settings
    uploads: UploadBudget
    dispatch: Dispatch
    metrics: Metrics

    async def answer(self, request: Request, *, known: bool, maximum_area: int) -> bytes:
        """The answer to a request with a photo of at most `maximum_area` pixels; `known`: with a face.

        Raises what `uploads` and `Dispatch.answer` raise, and CallerGone.
        """
        visit = Visit()
        try:
            answer = self._answer(request, visit, known=known, maximum_area=maximum_area)
            return await while_caller_waits(answer, getattr(request.state, HUNG_UP))
        except (CallerGone, ClientDisconnect):
            self.metrics.cancelled.labels(visit.photo).inc()
            raise

    async def _answer(self, request: Request, visit: Visit, *, known: bool, maximum_area: int) -> bytes:
        with self.uploads.share() as share:
            visit.job = await self._job(request, share, known=known, maximum_area=maximum_area)
            return await self.dispatch.answer(visit.job)

    async def _job(self, request: Request, share: UploadShare, *, known: bool, maximum_area: int) -> Job:
        """The complete upload. The job alone holds its bytes, so that it can move them into a memory file."""
        settings = self.settings
        upload = await read_upload(
            request, share, maximum=settings.maximum_upload, patience=settings.patience
        )
        return Job(upload.data, upload.name, upload.face, known=known, maximum_area=maximum_area)


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
