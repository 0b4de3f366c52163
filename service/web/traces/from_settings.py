"""Traces by FACE_TRACES: the middleware of photos, and the end of its collector."""

from collections.abc import Callable
from typing import NamedTuple

from starlette.middleware import Middleware

from service.settings import Settings


class Tracing(NamedTuple):
    """Traces of one service."""

    middleware: list[Middleware]
    """Of `/detect` and `/compute`."""
    close: Callable[[], None]
    """Sends the last spans. Blocks."""


def tracing(settings: Settings) -> Tracing:
    """The traces of a service; without FACE_TRACES none, and no module of OpenTelemetry is loaded."""
    if settings.traces is None:
        return Tracing([], lambda: None)
    # Imported here: the packages are an extra.
    from service.web.traces.collector import Collector
    from service.web.traces.photo_traces import PhotoTraces
    from service.web.traces.spans import PhotoSpans

    collector = Collector(settings.traces)
    spans = PhotoSpans(collector.provider)
    return Tracing([Middleware(PhotoTraces, spans=spans, model=settings.model)], collector.close)
