"""Sending of spans to an OTLP/HTTP collector: in batches, from a thread, with a bounded queue.

A collector that is slow, broken or absent costs spans and a line of the log, and neither time nor a photo.
"""

import logging
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from service.versions import own_version

log = logging.getLogger(__name__)

NAME = "face-model"
"""The resource's `service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES names another one."""
PATH = "/v1/traces"
"""Path of a collector whose address has none (OTLP specification, "OTLP/HTTP Request")."""

QUEUED_SPANS = 2048
"""Spans that wait for the collector, of some 250 photos; the oldest ones are dropped."""
EXPORT_SECONDS = 5.0
"""Deadline of one batch with its retries."""
DELAY_MILLISECONDS = 2000.0
"""Interval of the batches."""
CLOSING_SECONDS = 1.5
"""Deadline for the last batch, at the end of the service."""


def endpoint(address: str) -> str:
    """The address of FACE_TRACES, with PATH if it has no path."""
    parts = urlsplit(address)
    return address if parts.path.strip("/") else parts._replace(path=PATH).geturl()


class Collector:
    """A tracer provider whose spans go to the collector at `address`.

    Attributes:
        provider: makes the tracers.
    """

    def __init__(self, address: str) -> None:
        # A library's own warnings are one per batch, with the collector's answer in them.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint=endpoint(address), timeout=EXPORT_SECONDS)
        own = Resource({SERVICE_NAME: NAME, SERVICE_VERSION: own_version()})
        self.provider = TracerProvider(
            resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self.provider.add_span_processor(
            BatchSpanProcessor(
                LoggedExporter(exporter),
                max_queue_size=QUEUED_SPANS,
                schedule_delay_millis=DELAY_MILLISECONDS,
            )
        )

    def close(self) -> None:
        """Send the last spans, for at most CLOSING_SECONDS. Blocks."""
        closing = threading.Thread(target=self.provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)


class LoggedExporter(SpanExporter):
    """An exporter, with a line of the log for the first failure, and one for the next success."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; an exception is a failure."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            log.debug("traces: %s", type(error).__name__)
            result = SpanExportResult.FAILURE
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning(
                "the collector of FACE_TRACES does not take spans, and they are lost; photos are not affected"
            )
        elif self._failing and not failing:
            log.info("the collector of FACE_TRACES takes spans again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
