"""Traces of the running application, with a real collector and a recogniser that the test controls."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest

from service.recognition.contract import EngineError
from service.web.traces.collector import CLOSING_SECONDS
from service.web.traces.photo_traces import PhotoTraces
from tests.collector import attributes, collecting
from tests.unit.service.conftest import KEY, client

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server, SteeredRecognizer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MARGIN = 1.0
"""Seconds of a busy machine."""


def test_a_photo_is_a_trace_without_anything_private(
    serving: Server, key_header: dict[bytes, bytes], png: bytes
) -> None:
    headers = {
        **key_header,
        b"traceparent": f"00-{TRACE}-{PARENT}-01".encode(),
        b"x-request-id": b"from-a-proxy",
    }
    with collecting() as receiver:
        with serving(FACE_TRACES=receiver.address) as port, client(port, headers) as caller:
            answered = caller.post("/detect?token=queried", files={"file": ("/tmp/private-name", png)})
            assert answered.status_code == 200
            assert caller.get("/open").status_code == 200
        (server,) = receiver.named("POST /detect")
        stages = [span for span in receiver.spans if span is not server]
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, PARENT)
    assert attributes(server) == {
        "http.request.method": "POST",
        "http.route": "/detect",
        "http.response.status_code": 200,
        "face.request_id": "from-a-proxy",
        "face.model": 4,
        "face.image.bytes": len(png),
        "face.image.format": "PNG",
        "face.image.pixels": 64 * 48,
        "face.faces": 1,
    }
    assert [span.name for span in stages] == ["upload", "wait", "decode", "descriptors"]
    assert {span.parent_span_id for span in stages} == {server.span_id}
    descriptors = stages[-1]
    assert descriptors.end_time_unix_nano - descriptors.start_time_unix_nano == 250_000_000
    assert stages[0].start_time_unix_nano == server.start_time_unix_nano
    sent = b"".join(receiver.bodies)
    for private in ("private-name", "queried", KEY, "127.0.0.1", "IHDR"):
        assert private.encode() not in sent


def test_each_answer_has_its_status(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    with collecting() as receiver:
        with serving(FACE_TRACES=receiver.address) as port, client(port) as caller:
            assert caller.post("/detect", files={"file": ("a", png)}).status_code == 401
            caller.headers.update(key_header)
            assert caller.post("/detect", files={"file": ("a", b"no photo")}).status_code == 415
            assert caller.post("/detect", data={"a": "b"}).status_code == 400
            recognizer.failures = [EngineError("no"), EngineError("and no again")]
            assert caller.post("/detect", files={"file": ("a", png)}).status_code == 500
        statuses = [attributes(span)["http.response.status_code"] for span in receiver.named("POST /detect")]
    assert statuses == [415, 400, 500], "a caller without a key makes no span"


def test_a_collector_that_hangs_delays_neither_a_photo_nor_the_end(
    serving: Server, key_header: dict[bytes, bytes], png: bytes
) -> None:
    with collecting() as receiver:
        receiver.gate.clear()
        with serving(FACE_TRACES=receiver.address) as port, client(port, key_header) as caller:
            for _ in range(3):
                assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
            ending = time.monotonic()
        assert time.monotonic() - ending < CLOSING_SECONDS + MARGIN


def test_a_fault_of_a_trace_fails_no_photo(
    serving: Server,
    key_header: dict[bytes, bytes],
    png: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(PhotoTraces, "_record", fail)
    caplog.set_level(logging.INFO, "service")
    with (
        collecting() as receiver,
        serving(FACE_TRACES=receiver.address) as port,
        client(port, key_header) as caller,
    ):
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
    assert "the trace of a photo is lost" in caplog.text
