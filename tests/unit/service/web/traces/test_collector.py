"""Sending of spans to collectors that work, fail, hang, and do not exist."""

import logging
import time

import pytest

from benchmarks.processes.running import free_port
from service.web.traces import collector as traces
from service.web.traces.collector import CLOSING_SECONDS, Collector, endpoint
from tests.collector import ReceivingCollector, collecting
from tests.waiting import eventually

MARGIN = 0.5
"""Seconds of a busy machine."""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://[fd00::7]:4318", "https://[fd00::7]:4318/v1/traces"),
        ("https://example.org/otlp/v1/traces", "https://example.org/otlp/v1/traces"),
    ],
)
def test_adds_the_path_of_the_specification_to_an_address_without_one(address: str, expected: str) -> None:
    assert endpoint(address) == expected


@pytest.fixture(autouse=True)
def quick_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "DELAY_MILLISECONDS", 20.0)
    monkeypatch.setattr(traces, "EXPORT_SECONDS", 0.3)


def span(collector: Collector, name: str = "a") -> float:
    """Make a span; returns the seconds that it took."""
    started = time.perf_counter()
    collector.provider.get_tracer("test").start_span(name).end()
    return time.perf_counter() - started


@pytest.mark.not_quick
def test_sends_spans_with_the_name_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=home")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret")
    with collecting() as receiver:
        collector = Collector(receiver.address)
        span(collector)
        receiver.wait_for("a")
        collector.close()
    assert receiver.paths == ["/v1/traces"]
    assert receiver.headers[0]["authorization"] == "Bearer secret"
    (resource,) = receiver.resources
    assert resource.keys() == {"service.name", "service.version", "deployment.environment"}
    assert resource["service.name"] == "face-model"


@pytest.mark.not_quick
def test_an_operator_may_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "faces-at-home")
    with collecting() as receiver:
        collector = Collector(receiver.address)
        span(collector)
        collector.close()
    assert receiver.resources[0]["service.name"] == "faces-at-home"


@pytest.mark.not_quick
def test_a_failing_collector_costs_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with collecting() as receiver:
        collector = Collector(receiver.address)
        receiver.status = 400
        for _ in range(3):
            batches = len(receiver.bodies)
            span(collector, "lost")
            eventually("a batch", lambda before=batches: len(receiver.bodies) > before)  # type: ignore[misc]
        receiver.status = 200
        span(collector)
        receiver.wait_for("a")
        collector.close()
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")]
    assert lines == [
        "the collector of FACE_TRACES does not take spans, and they are lost; photos are not affected",
        "the collector of FACE_TRACES takes spans again",
    ]


@pytest.mark.not_quick
@pytest.mark.parametrize("fault", ["hangs", "overloaded", "absent"])
def test_a_collector_that_fails_delays_neither_photos_nor_the_end(fault: str) -> None:
    with collecting() as receiver:
        collector = Collector(address_of(receiver, fault))
        slowest = max(span(collector) for _ in range(3 * traces.QUEUED_SPANS))
        assert slowest < MARGIN
        started = time.monotonic()
        collector.close()
        assert time.monotonic() - started < CLOSING_SECONDS + MARGIN


def address_of(receiver: ReceivingCollector, fault: str) -> str:
    match fault:
        case "hangs":
            receiver.gate.clear()
        case "overloaded":
            receiver.status = 503
        case "absent":
            return f"http://127.0.0.1:{free_port()}"
    return receiver.address
