"""The spans of a photo: one of its request, and one of each stage, from times that were measured without them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

NANOSECONDS = 1_000_000_000
SERVER_FAULT = 500
"""First status that is an error of the server (semantic conventions of HTTP: 4xx is none for a server's span)."""

SEQUENCE = (
    "wait",
    "decode",
    *("cnn_detections", "hog_detections", "landmarks", "chips", "descriptors", "hog_confirms"),
)
"""Names in `TracedPhoto.milliseconds` in the order of the work: `wait` is from the complete upload to its start."""


@dataclass(frozen=True)
class TracedPhoto:
    """An ended request with a photo: times, sizes and counts; no file name, no key, no content."""

    route: str
    status: int
    request: str
    """The request's id."""
    started: int
    """Nanoseconds since 1970."""
    seconds: float
    """From the head of the request to its answer."""
    model: int
    upload: float | None = None
    """Seconds from the head to the complete upload; None if it was not complete."""
    bytes: int | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    faces: int | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    """Time of each stage that ran, by its name of SEQUENCE."""


class PhotoSpans:
    """Maker of the spans of photos."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("service.web.traces")

    def record(self, photo: TracedPhoto, headers: Mapping[str, str]) -> None:
        """Make the spans of a photo. `headers`: of the request, whose `traceparent` (W3C) has the span's parent."""
        parent = TraceContextTextMapPropagator().extract(headers)
        span = self._tracer.start_span(
            f"POST {photo.route}",
            context=parent,
            kind=SpanKind.SERVER,
            attributes=_attributes(photo),
            start_time=photo.started,
        )
        if photo.status >= SERVER_FAULT:
            span.set_status(Status(StatusCode.ERROR))
        self._record_stages(photo, trace.set_span_in_context(span))
        span.end(end_time=_after(photo.started, photo.seconds))

    def _record_stages(self, photo: TracedPhoto, parent: Context) -> None:
        """Spans of the upload, the wait and the stages, one after the other: the stages of a photo do not overlap."""
        if photo.upload is None:
            return
        sequence = [("upload", 1000 * photo.upload)]
        sequence += [(name, photo.milliseconds[name]) for name in SEQUENCE if name in photo.milliseconds]
        begin = photo.started
        for name, milliseconds in sequence:
            end = _after(begin, milliseconds / 1000)
            self._tracer.start_span(name, context=parent, start_time=begin).end(end_time=end)
            begin = end


def _after(nanoseconds: int, seconds: float) -> int:
    return nanoseconds + round(seconds * NANOSECONDS)


def _attributes(photo: TracedPhoto) -> dict[str, AttributeValue]:
    """Attributes by the semantic conventions of HTTP, and own ones under `face.`, without those that are unknown."""
    pixels = photo.width * photo.height if photo.width and photo.height else None
    attributes: dict[str, AttributeValue | None] = {
        "http.request.method": "POST",
        "http.route": photo.route,
        "http.response.status_code": photo.status,
        "face.request_id": photo.request,
        "face.model": photo.model,
        "face.image.bytes": photo.bytes,
        "face.image.format": photo.format,
        "face.image.pixels": pixels,
        "face.faces": photo.faces,
    }
    return {name: value for name, value in attributes.items() if value is not None}
