"""The application over HTTP, with a recogniser that the test controls."""

from __future__ import annotations

import http.client
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import httpx
import pytest

from service.memory.capacity import Capacity
from service.memory.largest_photo import plan
from service.messages import TOO_LITTLE_MEMORY
from service.pipeline.engine_health import FAILED_PHOTOS
from service.recognition.contract import EngineError, OutOfMemory
from service.settings import Settings
from service.supervision import Supervisor, launch_worker
from service.web.app import PATHS, create_app
from service.web.keys import KeyRing
from tests.unit.service.conftest import PATIENCE, client
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server, SteeredRecognizer


KEYED = [("POST", "/detect"), ("POST", "/compute"), ("GET", "/open"), ("GET", "/info")]
PUBLIC = [
    *("/health", "/ready", "/metrics", "/welcome", "/status"),
    *("/openapi.json", "/docs", "/assets/docs.css", "/assets/docs.js"),
    *("/", "/assets/page.css", "/assets/page.js"),
]
ENDLESS = ["/events"]
"""Public paths whose answers have no end."""


def test_requires_a_key_for_each_route_but_the_public_ones(
    serving: Server, key_header: dict[bytes, bytes]
) -> None:
    with serving() as port, client(port) as caller:
        eventually("ready", lambda: caller.get("/ready").status_code == 200)
        for method, path in KEYED:
            for offered in (
                {},
                {"x-api-key": ""},
                {"x-api-key": "wrong"},
                {"authorization": "the key before"},
            ):
                refused = caller.request(method, path, headers=offered)
                assert refused.status_code == 401
                assert refused.headers["content-type"] == "application/json"
                assert list(refused.json()) == ["error"]
            assert caller.request(method, path, headers=key_header).status_code != 401
            assert caller.request(method, path, headers={"x-api-key": "the key before"}).status_code != 401
        for path in PUBLIC:
            assert caller.get(path).status_code == 200


def test_routes_above_are_complete() -> None:
    settings, capacity = Settings(), Capacity(1, 1, 1)
    supervisor = Supervisor(launch_worker, lambda _: None)  # starts nothing by itself
    app = create_app(settings, KeyRing([]), capacity, plan(settings, capacity), supervisor)
    routes = {route.path for route in app.routes}  # type: ignore[attr-defined]
    assert routes == {path for _, path in KEYED} | set(PUBLIC) | set(ENDLESS) == set(PATHS)


def test_answers_wrong_paths_and_methods_with_json(serving: Server, key_header: dict[bytes, bytes]) -> None:
    with serving() as port, client(port, key_header) as caller:
        for path in (
            "/nothing",
            "/assets/",
            "/assets/page.js/x",
            "/detect/",
            "/open/x",
            "/%0a%0dforged",
            "/de%74ect/x",
            "/favicon.ico",
        ):
            missing = caller.get(path)
            assert (missing.status_code, list(missing.json())) == (404, ["error"])
        for method, path, allowed in (
            ("GET", "/detect", {"POST"}),
            ("PUT", "/compute", {"POST"}),
            ("POST", "/open", {"GET", "HEAD"}),
            ("DELETE", "/health", {"GET", "HEAD"}),
        ):
            refused = caller.request(method, path)
            assert refused.status_code == 405
            assert set(refused.headers["allow"].split(", ")) == allowed
            assert list(refused.json()) == ["error"]


def test_answers_head_as_get_without_a_body(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        answered = caller.head("/health")
        assert (answered.status_code, answered.content) == (200, b"")
        assert answered.headers["content-length"] == "2"


@pytest.mark.parametrize("path", ["/open", "//open", "///open"])
def test_collapses_slashes_without_a_redirect(
    serving: Server, key_header: dict[bytes, bytes], path: str
) -> None:
    with serving() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", path, headers={name.decode(): value for name, value in key_header.items()})
        answered = connection.getresponse()
        assert answered.status == 200
        assert json.loads(answered.read()) == {"preferred_mimetype": "image/jpeg", "maximum_area": 8294400}
        connection.close()


def test_open_returns_format_and_area_of_the_settings(
    serving: Server, key_header: dict[bytes, bytes]
) -> None:
    with (
        serving(FACE_PREFERRED_MIMETYPE="image/png", FACE_MAXIMUM_AREA=1000) as port,
        client(port, key_header) as caller,
    ):
        assert caller.get("/open").json() == {"preferred_mimetype": "image/png", "maximum_area": 1000}


def test_welcome_names_missing_weights(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        greeting = caller.get("/welcome").json()
        assert list(greeting) == ["facerecognition-external-model", "version", "model"]
        assert "mmod_human_face_detector" in greeting["facerecognition-external-model"]
        assert "missing" in greeting["facerecognition-external-model"]
        assert greeting["model"] == 4


def test_photos_wait_for_the_warm_up(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.warming.clear()
    with (
        serving() as port,
        client(port, key_header) as caller,
        ThreadPoolExecutor(1) as threads,
    ):
        photo = threads.submit(
            lambda: httpx.post(
                f"http://127.0.0.1:{port}/detect",
                headers=key_header,
                files={"file": ("a", png)},
                timeout=PATIENCE,
            )
        )
        assert caller.get("/ready").status_code == 503
        assert list(caller.get("/ready").json()) == ["error"]
        assert caller.get("/info").status_code == 503
        assert caller.get("/health").text == "ok"
        assert caller.get("/open").status_code == 200
        assert not photo.done()
        recognizer.warming.set()
        assert photo.result(PATIENCE).json()["faces-count"] == 1
        assert recognizer.warm
        assert caller.get("/ready").json() == {"ready": True, "restarts": 0}
        info = caller.get("/info").json()
        assert info["stages"]["cnn_detections"] == {
            "engine": "steered",
            "provider": "test",
            "fallbacks": 0,
            "on_cpu": 4,
            "batches": {"1": 5, "3": 2},
            "precision": "int8 scan",
            "scan": asdict(recognizer.scan),
            "trial": {"time_ratio": 0.5, "largest_error": 0.125, "kept": True, "file": "/cache/a.json"},
            "scan_refused": None,
            "device": None,
            "is_gpu": False,
            "device_proof": None,
            "device_missing": None,
        }
        assert info["stages"]["descriptors"]["scan"] is None
        assert info["stages"]["descriptors"]["scan_refused"] == "it differs"
        assert info["stages"]["descriptors"]["device_proof"] == asdict(recognizer.device_proof)
        assert info["worker"]["scan_stopped"] is None
        assert (info["worker"]["device_faults"], info["worker"]["device_quarantine"]) == ({}, None)
        assert info["limits"]["accepted_area"] == 8294400 * 17 // 16
        assert info["versions"]["python"].startswith("3.")


def test_info_and_metrics_report_a_stopped_scan(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.scan = replace(recognizer.scan, stopped="a checked photo differed")
    with serving() as port, client(port, key_header) as caller:
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
        assert caller.get("/info").json()["worker"]["scan_stopped"] == "a checked photo differed"
        assert "face_scan_stopped 1.0" in caller.get("/metrics").text.splitlines()


def test_a_failed_start_is_reported_and_ends_all_waiting_requests(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    reported: list[str] = []
    recognizer.warm_failure = RuntimeError("no memory")
    with serving(on_failure=reported.append) as port, client(port, key_header) as caller:
        refused = caller.post("/detect", files={"file": ("a", png)})
        assert refused.status_code == 503
        assert caller.get("/ready").status_code == 503
        assert caller.get("/open").status_code == 503  # so that the app sends no photos
        health = caller.get("/health")  # so that a liveness probe replaces the service
        assert (health.status_code, list(health.json())) == (503, ["error"])
    assert reported == ["no memory"]


def test_answers_open_and_health_while_photos_are_in_work(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.gate.clear()
    with (
        serving(GUNICORN_WORKERS=2) as port,
        client(port, key_header) as caller,
        ThreadPoolExecutor(6) as threads,
    ):
        photos = [
            threads.submit(
                lambda: httpx.post(
                    f"http://127.0.0.1:{port}/detect",
                    headers=key_header,
                    files={"file": ("a", png)},
                    timeout=PATIENCE,
                )
            )
            for _ in range(6)
        ]
        for _ in range(2):
            assert recognizer.entered.acquire(timeout=PATIENCE)
        for _ in range(10):
            assert caller.get("/open").status_code == 200
            assert caller.get("/health").status_code == 200
        assert recognizer.photos == 2
        recognizer.gate.set()
        assert [photo.result(PATIENCE).status_code for photo in photos] == [200] * 6
        assert recognizer.most_running == 2


def test_does_not_compute_the_photo_of_a_caller_that_hung_up(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    png: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "service")
    recognizer.gate.clear()
    with serving() as port, ThreadPoolExecutor(1) as threads:
        url = f"http://127.0.0.1:{port}/detect"
        first = threads.submit(
            lambda: httpx.post(url, headers=key_header, files={"file": ("a", png)}, timeout=PATIENCE)
        )
        assert recognizer.entered.acquire(timeout=PATIENCE)
        request = httpx.Request("POST", url, headers=key_header, files={"file": ("b", png)})
        with socket.create_connection(("127.0.0.1", port)) as caller:
            head = b"".join(name + b": " + value + b"\r\n" for name, value in request.headers.raw)
            caller.sendall(b"POST /detect HTTP/1.1\r\n" + head + b"\r\n" + request.read())
        eventually(
            "status 499 in the log", lambda: any(" 499 " in record.getMessage() for record in caplog.records)
        )
        recognizer.gate.set()
        assert first.result(PATIENCE).status_code == 200
    assert recognizer.photos == 1


def test_answers_503_after_req_timeout(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.gate.clear()
    with serving(REQ_TIMEOUT=0.2) as port, client(port, key_header) as caller:
        given_up = caller.post("/detect", files={"file": ("a", png)})
        assert given_up.status_code == 503
        assert "REQ_TIMEOUT" in given_up.json()["error"]
        recognizer.gate.set()
        assert caller.get("/health").status_code == 200


@pytest.mark.parametrize(
    "failure", [EngineError("the device went away"), MemoryError(), RuntimeError("no thread")]
)
def test_retries_a_photo_alone_after_its_engine_failed(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    png: bytes,
    failure: Exception,
) -> None:
    recognizer.failures = [failure]
    recognizer.gate.clear()
    with (
        serving(GUNICORN_WORKERS=3) as port,
        client(port, key_header) as caller,
        ThreadPoolExecutor(4) as pool,
    ):
        answers = [pool.submit(caller.post, "/detect", files={"file": ("a", png)}) for _ in range(4)]
        for _ in range(3):
            assert recognizer.entered.acquire(timeout=PATIENCE)
        recognizer.gate.set()
        assert [answer.result().status_code for answer in answers] == [200] * 4
        assert "face_retried_total 1.0" in caller.get("/metrics").text
    # At the retry no other photo is in work, and the fallback engine is allowed.
    assert sorted(recognizer.fallback_allowed) == [False] * 4 + [True]
    assert recognizer.running_at_retries == [1]


def test_restarts_a_worker_whose_engine_fails_for_every_photo(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.falls_back = True
    restarted = 'face_worker_restarts_total{cause="engine failed"} 1.0'
    with serving() as port, client(port, key_header) as caller:

        def answered(failing: bool) -> None:
            recognizer.failures = [EngineError("the device went away")] if failing else []
            assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200

        for failing in [True] * (FAILED_PHOTOS - 1) + [False] + [True] * (FAILED_PHOTOS - 1):
            answered(failing)
        assert "face_worker_restarts_total{" not in caller.get("/metrics").text
        answered(True)
        answered(False)
        assert restarted in caller.get("/metrics").text
        assert caller.get("/info").json()["worker"]["restarts"] == {"engine failed": 1}


def test_fails_a_photo_after_two_tries(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.failures = [EngineError("no"), EngineError("and no again")]
    with serving() as port, client(port, key_header) as caller:
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 500
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200


@pytest.mark.parametrize("failure", [MemoryError(), OutOfMemory("no memory for a run")])
def test_answers_503_to_a_photo_without_memory_even_alone(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    png: bytes,
    failure: Exception,
) -> None:
    recognizer.failures = [failure, failure]
    with serving() as port, client(port, key_header) as caller:
        refused = caller.post("/detect", files={"file": ("a", png)})
        assert (refused.status_code, refused.json()["error"]) == (503, TOO_LITTLE_MEMORY)
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200


def test_logs_an_unexpected_error_with_its_id_and_nothing_private(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    png: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    recognizer.failures = [ZeroDivisionError("a bug"), ZeroDivisionError("a bug")]  # it is tried twice
    with serving() as port, client(port, key_header) as caller:
        failed = caller.post("/detect?token=queried", files={"file": ("/tmp/private-name", png)})
        assert failed.status_code == 500
        assert failed.headers["x-request-id"] in failed.json()["error"]
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
    format_ = logging.Formatter("%(message)s")
    ours = [
        record for record in caplog.records if not record.name.startswith("http")
    ]  # without the test's client
    logged = "\n".join(format_.format(record) for record in ours)
    assert f"request {failed.headers['x-request-id']} failed" in logged
    assert "ZeroDivisionError: a bug" in logged
    assert "POST /detect 500 " in logged
    for private in ("private-name", "queried", key_header[b"x-api-key"].decode(), "IHDR", "the key before"):
        assert private not in logged


def test_answers_500_to_nan_from_a_network(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.score = float("nan")
    with serving() as port, client(port, key_header) as caller:
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 500


def test_bounds_a_line_of_the_access_log(serving: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "service")
    method, path = b"M" * 30_000, b"/%0A~" * 6_000
    with serving() as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as caller:
        caller.sendall(method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while caller.recv(65536):
            pass
    logged = [record.getMessage() for record in caplog.records if record.name == "service.web.access_log"]
    assert len(logged) == 1
    assert len(logged[0]) < 600
    assert logged[0].isprintable()
    assert logged[0].startswith("M" * 20 + " /")
