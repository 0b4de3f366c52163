"""Responses with JSON, for results and for errors."""

from collections.abc import Mapping

from starlette.responses import Response

from service.json_text import MEDIA_TYPE, serialised
from service.messages import Answer

ERROR_NAME = "error_name"
"""Item of a request's state: name of the class of the exception that was answered, for the access log."""


ERROR_SENTENCE = "error_sentence"
"""Item of a request's state: text of that exception. It may have text of the caller or the photo."""


def json_response(content: Mapping[str, object]) -> Response:
    """A result, with status 200."""
    return Response(serialised(content), media_type=MEDIA_TYPE)


def timed_response(answer: Answer) -> Response:
    """The answer to a photo, with the time of each stage in milliseconds (Server-Timing, W3C)."""
    timing = ", ".join(f"{stage};dur={duration:.2f}" for stage, duration in answer.milliseconds.items())
    return Response(answer.body, headers={"server-timing": timing}, media_type=MEDIA_TYPE)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error: `{"error": message}`."""
    return Response(serialised({"error": message}), status, headers=headers, media_type=MEDIA_TYPE)
