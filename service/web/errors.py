"""HTTP statuses of exceptions, in one table. Every error is JSON: {"error": "..."}."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.activity import CLIENT_CLOSED_REQUEST
from service.supervision import NeverReady, NotReady, Refused
from service.web.authentication import WrongKey
from service.web.request_pipeline import CallerGone
from service.web.responses import ERROR_NAME, ERROR_SENTENCE, error_response
from service.web.uploads import EmptyUpload, MalformedUpload, Stalled, UploadTooLarge

STATUS: Mapping[type[Exception], int] = {
    MalformedUpload: 400,
    WrongKey: 401,
    Stalled: 408,
    UploadTooLarge: 413,
    EmptyUpload: 415,
    CallerGone: CLIENT_CLOSED_REQUEST,
    ClientDisconnect: CLIENT_CLOSED_REQUEST,
    NotReady: 503,
    NeverReady: 503,
}

Handler = Callable[[Request, Exception], Awaitable[Response]]


def _note(request: Request, name: str, error: Exception) -> None:
    """Leave the error's class and text in the request's state, for the access log and the record of failures."""
    setattr(request.state, ERROR_NAME, name)
    setattr(request.state, ERROR_SENTENCE, str(error))


async def _from_table(request: Request, error: Exception) -> Response:
    _note(request, type(error).__name__, error)
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return error_response(status, str(error), getattr(error, "headers", None))


async def _refused(request: Request, error: Exception) -> Response:
    """The worker's refusal of a photo."""
    assert isinstance(error, Refused)
    _note(request, error.error, error)
    return error_response(error.status, str(error))


async def _no_route(request: Request, error: Exception) -> Response:
    """The path does not exist, or does not allow the method."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow")
    message = (
        f"{request.method} is not allowed here; allowed: {allowed}"
        if allowed
        else "there is no such path; /welcome answers without a key"
    )
    return error_response(error.status_code, message, error.headers)


def handlers() -> dict[type[Exception], Handler]:
    """Exception handlers for Starlette, for its HTTPException too."""
    return {HTTPException: _no_route, Refused: _refused, **dict.fromkeys(STATUS, _from_table)}
