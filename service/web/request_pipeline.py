"""Request pipeline of a photo in the web process: upload within a byte budget, then the worker's answer."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from service.messages import Answer
from service.settings import Settings
from service.supervision import Dispatch, Job
from service.web.callers import CALLER, Caller
from service.web.metrics import Metrics
from service.web.request_ids import REQUEST_ID
from service.web.uploads import UploadBudget, UploadShare, read_upload

Result = TypeVar("Result")

PHOTO = "photo"
"""Item of a request's state: the PhotoRequest of a request with a valid key."""


class CallerGone(Exception):
    """The caller hung up before its answer was ready."""


@dataclass
class PhotoRequest:
    """The state of one request with a photo."""

    job: Job | None = None
    """The photo, once the upload is complete."""

    @property
    def state(self) -> str:
        """Label of `face_cancelled`: the photo waits, or is in work."""
        return "in work" if self.job is not None and self.job.in_progress else "waiting"


@dataclass(frozen=True)
class RequestPipeline:
    """Upload under admission control by bytes, then the worker; the upload's bytes are held until the answer."""

    settings: Settings
    uploads: UploadBudget
    dispatch: Dispatch
    metrics: Metrics

    async def answer(self, request: Request, *, known: bool, maximum_area: int) -> Answer:
        """The answer to a request with a photo of at most `maximum_area` pixels.

        `known`: the face is given in the form (`/compute`), not to be detected. Raises CallerGone, and the errors of
        `read_upload` and `Dispatch.answer`.
        """
        photo = PhotoRequest()
        setattr(request.state, PHOTO, photo)
        caller: Caller = getattr(request.state, CALLER)
        try:
            answer = self._answer(request, photo, known=known, maximum_area=maximum_area)
            return await cancelled_on_hang_up(answer, caller.hung_up)
        except (CallerGone, ClientDisconnect):
            self.metrics.cancelled.labels(photo.state).inc()
            raise

    async def _answer(
        self, request: Request, photo: PhotoRequest, *, known: bool, maximum_area: int
    ) -> Answer:
        with self.uploads.share() as share:
            photo.job = await self._job(request, share, known=known, maximum_area=maximum_area)
            return await self.dispatch.answer(photo.job)

    async def _job(self, request: Request, share: UploadShare, *, known: bool, maximum_area: int) -> Job:
        """Read the upload. The only reference to its bytes is that of the job, which moves them into a memory file."""
        settings = self.settings
        upload = await read_upload(
            request, share, maximum=settings.maximum_upload, patience=settings.patience
        )
        return Job(
            upload.data,
            upload.name,
            upload.face,
            known=known,
            maximum_area=maximum_area,
            request=getattr(request.state, REQUEST_ID),
        )


async def cancelled_on_hang_up(work: Awaitable[Result], hung_up: asyncio.Future[None]) -> Result:
    """The result of `work`. As soon as `hung_up` is done, cancels the work and raises CallerGone."""
    working = asyncio.ensure_future(work)
    either: tuple[asyncio.Future[Any], ...] = (working, hung_up)
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not working.done():
            working.cancel()
    if working.done():
        return working.result()
    raise CallerGone("the caller hung up")
