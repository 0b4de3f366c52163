"""Spans of photos, as a collector receives them."""

from dataclasses import replace

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.web.traces.collector import Collector
from service.web.traces.spans import PhotoSpans, TracedPhoto
from tests.collector import attributes, collecting

PHOTO = TracedPhoto(
    route="/detect",
    status=200,
    request="from-a-proxy",
    started=1_700_000_000_000_000_000,
    seconds=0.25,
    model=4,
    upload=0.05,
    bytes=1000,
    format="JPEG",
    width=640,
    height=480,
    faces=2,
    # In the order of the worker's answer.
    milliseconds={"decode": 10, "cnn_detections": 80, "hog_confirms": 5, "landmarks": 1.5, "wait": 20},
)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def spans_of(photo: TracedPhoto, headers: dict[str, str]) -> list[Span]:
    with collecting() as receiver:
        collector = Collector(receiver.address)
        PhotoSpans(collector.provider).record(photo, headers)
        collector.close()
        return receiver.spans


def test_a_photo_has_a_span_and_a_child_of_each_stage_in_sequence() -> None:
    *stages, server = spans_of(PHOTO, {})
    assert (server.name, server.kind) == ("POST /detect", Span.SPAN_KIND_SERVER)
    assert server.parent_span_id == b""
    assert server.start_time_unix_nano == PHOTO.started
    assert server.end_time_unix_nano == PHOTO.started + 250_000_000
    assert attributes(server) == {
        "http.request.method": "POST",
        "http.route": "/detect",
        "http.response.status_code": 200,
        "face.request_id": "from-a-proxy",
        "face.model": 4,
        "face.image.bytes": 1000,
        "face.image.format": "JPEG",
        "face.image.pixels": 640 * 480,
        "face.faces": 2,
    }
    assert {span.trace_id for span in stages} == {server.trace_id}
    assert {span.parent_span_id for span in stages} == {server.span_id}
    milliseconds = [
        (
            span.name,
            (span.start_time_unix_nano - PHOTO.started) / 1e6,
            (span.end_time_unix_nano - PHOTO.started) / 1e6,
        )
        for span in stages
    ]
    assert milliseconds == [
        ("upload", 0, 50),
        ("wait", 50, 70),
        ("decode", 70, 80),
        ("cnn_detections", 80, 160),
        ("landmarks", 160, 161.5),
        ("hog_confirms", 161.5, 166.5),
    ]


def test_the_parent_is_that_of_the_caller() -> None:
    *stages, server = spans_of(PHOTO, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, PARENT)
    assert {span.trace_id.hex() for span in stages} == {TRACE}


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{PARENT}"])
def test_a_malformed_parent_is_none(sent: str) -> None:
    *_, server = spans_of(PHOTO, {"traceparent": sent})
    assert server.parent_span_id == b""


def test_a_trace_that_the_caller_does_not_sample_is_not_sent() -> None:
    assert spans_of(PHOTO, {"traceparent": f"00-{TRACE}-{PARENT}-00"}) == []


@pytest.mark.parametrize(
    ("status", "code"), [(415, Status.STATUS_CODE_UNSET), (500, Status.STATUS_CODE_ERROR)]
)
def test_a_photo_that_failed_early_has_no_stages(status: int, code: int) -> None:
    failed = TracedPhoto("/compute", status, "a", PHOTO.started, 0.1, 4)
    (server,) = spans_of(failed, {})
    assert (server.name, server.status.code) == ("POST /compute", code)
    assert attributes(server).keys() == {
        *("http.request.method", "http.route", "http.response.status_code"),
        *("face.request_id", "face.model"),
    }


def test_a_photo_that_was_refused_by_the_worker_has_its_upload() -> None:
    refused = replace(PHOTO, status=415, milliseconds={}, faces=None)
    assert [span.name for span in spans_of(refused, {})] == ["upload", "POST /detect"]
