"""Each error of the running application is an answer that the document has, and so are the answers with status 200."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.document import violations
from tests.unit.service import raw_http
from tests.unit.service.conftest import client
from tests.waiting import eventually

if TYPE_CHECKING:
    import httpx

    from tests.unit.service.conftest import Server, SteeredRecognizer

FACE = {"left": 1, "top": 2.0, "right": "30", "bottom": 40, "note": "née", "id": [None]}


def faults(reply: httpx.Response) -> list[str]:
    request = reply.request
    return violations(request.method, request.url.path, reply.status_code, reply.headers, reply.content)


def test_answers_conform(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    file = {"file": ("a", png)}
    with serving() as port, client(port, key_header) as caller:
        eventually("ready", lambda: caller.get("/ready").status_code == 200)
        for path in ("/open", "/info", "/health", "/ready", "/metrics", "/welcome"):
            reply = caller.get(path)
            assert (reply.status_code, faults(reply)) == (200, [])
        computed = caller.post("/compute", files=file, data={"face": json.dumps(FACE)})
        assert (computed.status_code, faults(computed)) == (200, [])
        # The faces of the steered recogniser have no score of a network in their type, and all of its fields.
        detected = caller.post("/detect", files=file)
        assert (detected.status_code, faults(detected)) == (200, [])
        assert faults(caller.get("/info")) == []


def test_refusals_conform(serving: Server, key_header: dict[bytes, bytes], png: bytes) -> None:
    large = io.BytesIO()
    Image.new("L", (90, 90)).save(large, "PNG")
    face = {"face": json.dumps(FACE)}
    settings = {"FACE_MAXIMUM_AREA": 4000, "FACE_MAXIMUM_ORIGINAL_AREA": 5000, "FACE_MAXIMUM_UPLOAD": 60_000}
    with serving(**settings) as port, client(port, key_header) as caller:
        eventually("ready", lambda: caller.get("/ready").status_code == 200)
        for path in ("/detect", "/compute"):
            for status, content in ((412, large.getvalue()), (413, bytes(70_000)), (415, b""), (415, b"no")):
                refused = caller.post(path, files={"file": ("a", content)}, data=face)
                assert (refused.status_code, faults(refused)) == (status, [])
            malformed = caller.post(path, content=b"x")
            assert (malformed.status_code, faults(malformed)) == (400, [])
        outside = {"face": json.dumps({**FACE, "left": 500, "right": 900})}
        for data in ({}, outside):
            invalid = caller.post("/compute", files={"file": ("a", png)}, data=data)
            assert (invalid.status_code, faults(invalid)) == (422, [])
    with serving() as port, client(port) as anonymous:
        for method, path in (("POST", "/detect"), ("POST", "/compute"), ("GET", "/open"), ("GET", "/info")):
            unauthorised = anonymous.request(method, path)
            assert (unauthorised.status_code, faults(unauthorised)) == (401, [])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 131_000, 431),
        (b"POST /detect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /health HTTP/3.0\r\nHost: h\r\n\r\n", 505),
    ],
)
def test_refusals_of_the_parser_conform(serving: Server, request_: bytes, status: int) -> None:
    method, path = request_.split()[:2]
    with serving() as port, raw_http.connect(port) as connection:
        connection.sendall(request_)
        (reply,) = raw_http.answers(connection)
    assert reply.status == status
    assert violations(method.decode(), path.decode(), status, reply.headers, reply.body) == []


def test_a_stalled_upload_conforms(serving: Server, png: bytes) -> None:
    with serving(FACE_PATIENCE=0.3) as port, raw_http.connect(port) as connection:
        connection.sendall(raw_http.photo(png)[:-100])
        (reply,) = raw_http.answers(connection)
    assert reply.status == 408
    assert violations("POST", "/detect", 408, reply.headers, reply.body) == []


def test_faults_of_the_service_conform(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.failures = [RuntimeError("no"), RuntimeError("and no again")]
    with serving() as port, client(port, key_header) as caller:
        failed = caller.post("/detect", files={"file": ("a", png)})
        assert (failed.status_code, faults(failed)) == (500, [])
    recognizer.warming.clear()
    with serving() as port, client(port, key_header) as caller:
        for path in ("/ready", "/info"):
            early = caller.get(path)
            assert (early.status_code, faults(early)) == (503, [])
        recognizer.warming.set()
    recognizer.gate.clear()
    with serving(REQ_TIMEOUT=0.2) as port, client(port, key_header) as caller:
        late = caller.post("/detect", files={"file": ("a", png)})
        assert (late.status_code, faults(late)) == (503, [])
        recognizer.gate.set()


def test_requests_to_no_operation_are_answered_with_an_error(
    serving: Server, key_header: dict[bytes, bytes]
) -> None:
    with serving() as port, client(port, key_header) as caller:
        assert set(caller.get("/nowhere").json()) == {"error"}
        assert (caller.get("/nowhere").status_code, caller.delete("/open").status_code) == (404, 405)


def test_deviations_are_found() -> None:
    headers = {"content-type": "application/json", "x-request-id": "1"}
    right = b'{"ready":true,"restarts":0}'
    assert violations("GET", "/ready", 200, headers, right) == []
    for status, sent, body in (
        (200, headers, b'{"ready":true,"restarts":0,"more":1}'),
        (200, headers, b'{"ready":true}'),
        (200, headers, b'{"ready":true,"restarts":-1}'),
        (418, headers, right),
        (200, {**headers, "content-type": "text/plain"}, right),
        (200, {"content-type": "application/json"}, right),
    ):
        assert violations("GET", "/ready", status, sent, body), (status, sent, body)
