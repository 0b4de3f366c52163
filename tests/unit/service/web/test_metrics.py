"""`/metrics` of the running application, with a recogniser that the test controls."""

from __future__ import annotations

import json
import logging
import socket
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from service.logs import JsonFormatter
from tests.unit.service.conftest import PATIENCE, client
from tests.waiting import eventually

if TYPE_CHECKING:
    import pytest

    from tests.unit.service.conftest import Server, SteeredRecognizer


def values(caller: httpx.Client) -> dict[tuple[str, ...], float]:
    """Name of a sample and its label values, sorted by label name, to the sample's value."""
    answered = caller.get("/metrics")
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *(text for _, text in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answered.text)
        for sample in family.samples
    }


def posted(port: int, headers: dict[bytes, bytes], photo: bytes) -> socket.socket:
    """Connection of a caller that has sent a photo and has no answer yet."""
    address = f"http://127.0.0.1:{port}/detect"
    request = httpx.Request("POST", address, headers=headers, files={"file": ("a", photo)})
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    head = b"".join(name + b": " + value + b"\r\n" for name, value in request.headers.raw)
    connection.sendall(b"POST /detect HTTP/1.1\r\n" + head + b"\r\n" + request.read())
    return connection


def ready(caller: httpx.Client) -> None:
    eventually("ready", lambda: caller.get("/ready").status_code == 200)


def test_counts_and_times_photos(serving: Server, key_header: dict[bytes, bytes], png: bytes) -> None:
    with serving() as port, client(port, key_header) as caller:
        ready(caller)
        for _ in range(3):
            assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
        slashes = f"http://127.0.0.1:{port}//detect"
        assert caller.post(slashes, files={"file": ("a", b"no photo")}).status_code == 415
        assert caller.get("/never/heard/of").status_code == 404
        metrics = values(caller)
    assert metrics["face_requests_total", "/detect", "200"] == 3
    assert metrics["face_requests_total", "/detect", "415"] == 1
    assert metrics["face_requests_total", "other", "404"] == 1
    assert metrics["face_request_seconds_count", "/detect"] == 4
    assert metrics["face_faces_total",] == 3
    assert metrics["face_stage_seconds_count", "decode"] == 3
    assert metrics["face_stage_seconds_sum", "descriptors"] == 0.75
    assert ("face_stage_seconds_count", "hog_detections") not in metrics
    assert metrics["face_stage_info", "steered", "int8 scan", "test", "cnn_detections"] == 1
    assert metrics["face_stage_info", "steered", "float32", "test", "descriptors"] == 1
    assert metrics["face_fallbacks_total", "cnn_detections"] == 0
    assert metrics["face_runs_on_cpu_total", "cnn_detections"] == 4
    assert metrics["face_batch_photos_count", "cnn_detections"] == 7
    assert metrics["face_batch_photos_sum", "cnn_detections"] == 11
    assert metrics["face_batch_photos_bucket", "2", "cnn_detections"] == 5
    assert metrics["face_batch_photos_bucket", "4", "cnn_detections"] == 7
    scanned = {name: value for (name, *_), value in metrics.items() if name.startswith("face_scan_")}
    assert scanned == {
        "face_scan_photos_total": 7,
        "face_scan_crowded_total": 1,
        "face_scan_deviating_total": 2,
        "face_scan_checked_total": 3,
        "face_scan_scores_total": 1000,
        "face_scan_rescored_total": 50,
        "face_scan_largest_error": 0.0625,
        "face_scan_refused": 1,
        "face_scan_stopped": 0,
    }
    proof = {name: value for (name, *_), value in metrics.items() if name.startswith("face_device_proof_")}
    assert proof == {
        "face_device_proof_passed": 1,
        "face_device_proof_descriptor_difference": 2.5e-7,
        "face_device_proof_time_ratio": 0.25,
    }
    assert metrics["face_device_proof_passed", "A GPU", "", "webgpu"] == 1
    assert metrics["face_device_quarantined",] == 0
    assert metrics["face_requests_in_flight",] == 1  # this request
    assert metrics["process_resident_memory_bytes",] > 2**20
    (model,) = (labels for name, *labels in metrics if name == "face_model_info")
    assert "4" in model


def test_reports_waiting_photos(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.gate.clear()
    with serving(FACE_MEMORY="1GiB") as port, client(port, key_header) as caller:
        ready(caller)
        before = values(caller)
        assert (before["face_photos_places_granted",], before["face_photos_places_limit",]) == (0, 1)
        waiting = [posted(port, key_header, png) for _ in range(3)]
        eventually("two waiting photos", lambda: values(caller)["face_photos_places_waiting",] == 2)
        metrics = values(caller)
        assert metrics["face_photos_places_granted",] == 1
        assert metrics["face_photos_bytes_granted",] > len(png)
        assert metrics["face_uploads_bytes_granted",] > 3 * len(png)
        assert metrics["face_uploads_bytes_limit",] > 2**26
        assert metrics["face_requests_in_flight",] == 4
        waiting[2].close()
        eventually("one left", lambda: values(caller).get(("face_cancelled_total", "waiting")) == 1)
        recognizer.gate.set()
        for connection in waiting[:2]:
            with connection:
                assert connection.recv(12) == b"HTTP/1.1 200"
        assert values(caller)["face_uploads_bytes_granted",] == 0


def test_logs_a_request_as_one_json_object(
    serving: Server, key_header: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service")
    with serving() as port, client(port, key_header) as caller:
        answered = caller.get("/health?token=secret")
    (record,) = (record for record in caplog.records if record.name == "service.web.access_log")
    line = JsonFormatter().format(record)
    assert "\n" not in line
    fields = json.loads(line)
    assert {name: fields[name] for name in ("level", "method", "path", "status")} == {
        "level": "info",
        "method": "GET",
        "path": "/health",
        "status": 200,
    }
    assert fields["request"] == answered.headers["x-request-id"]
    assert "secret" not in line
