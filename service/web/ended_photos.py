"""The record of a request with a photo, from the request's scope and state at its end."""

from starlette.datastructures import Headers
from starlette.types import Scope

from service.activity import EndedPhoto
from service.web.request_pipeline import PHOTO, PhotoRequest
from service.web.responses import ERROR_NAME, ERROR_SENTENCE

MAXIMUM_DIGITS = 15
"""Digits of a Content-Length that is recorded: petabytes."""


def ended_photo(scope: Scope, status: int) -> EndedPhoto:
    """The photo of a request that was answered with `status`."""
    state = scope.get("state", {})
    request: PhotoRequest | None = state.get(PHOTO)
    job = request.job if request else None
    begun = job.begun if job else None
    return EndedPhoto(
        path=scope["path"],
        status=status,
        seconds_in_work=job.seconds_in_work() if job else 0.0,
        error=state.get(ERROR_NAME),
        sentence=state.get(ERROR_SENTENCE),
        bytes=job.size if job else _declared(scope),
        format=begun.format if begun else None,
        width=begun.width if begun else None,
        height=begun.height if begun else None,
    )


def _declared(scope: Scope) -> int | None:
    """Bytes of the body by its Content-Length; None without one."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and length.isascii() and len(length) <= MAXIMUM_DIGITS else None
