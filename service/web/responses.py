"""Responses with JSON, for results and for errors."""

from collections.abc import Mapping

from starlette.responses import Response

from service.json_text import MEDIA_TYPE, serialised

ERROR_NAME = "error_name"
"""Item of a request's state: name of the class of the exception that was answered, for the access log."""


def json_response(content: Mapping[str, object]) -> Response:
    """A result, with status 200."""
    return Response(serialised(content), media_type=MEDIA_TYPE)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error: `{"error": message}`."""
    return Response(serialised({"error": message}), status, headers=headers, media_type=MEDIA_TYPE)
