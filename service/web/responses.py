"""Responses with JSON, for results and for errors."""

from collections.abc import Mapping

from starlette.responses import Response

from service.json_text import MEDIA_TYPE, serialised


def json_response(content: Mapping[str, object]) -> Response:
    """A result, with status 200."""
    return Response(serialised(content), media_type=MEDIA_TYPE)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error: `{"error": message}`."""
    return Response(serialised({"error": message}), status, headers=headers, media_type=MEDIA_TYPE)
