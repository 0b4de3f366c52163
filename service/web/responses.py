"""Responses with JSON, for results and for errors."""

from collections.abc import Mapping

from starlette.responses import Response

from service.json_text import MEDIA_TYPE, serialised


def answer(content: Mapping[str, object], status: int = 200) -> Response:
    return Response(serialised(content), status, media_type=MEDIA_TYPE)


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(serialised({"error": message}), status, headers=headers, media_type=MEDIA_TYPE)
