"""HTTP calls to a real service, and to servers with malformed answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from benchmarks.harness import http_calls
from benchmarks.harness.closed_loop import run_closed_loop
from benchmarks.processes.running import free_port
from tests.unit.benchmarks.conftest import Upload


def test_photos_latencies_and_faces_are_counted(service: httpx.Client, upload: Upload) -> None:
    call = http_calls.service_call(str(service.base_url), service.headers["x-api-key"])
    trial = run_closed_loop(call, [upload(0.3)] * 7, 3)
    assert trial.failures == []
    assert len(trial.latencies) == trial.faces == 7
    assert trial.photos_per_second == 7 / trial.seconds
    assert max(trial.latencies) <= trial.seconds


def test_an_address_needs_no_scheme(service: httpx.Client, upload: Upload) -> None:
    call = http_calls.service_call(f"127.0.0.1:{service.base_url.port}/", service.headers["x-api-key"])
    assert run_closed_loop(call, [upload(0.02)], 1).failures == []


def test_every_status_but_200_is_a_failure(service: httpx.Client, upload: Upload) -> None:
    trial = run_closed_loop(
        http_calls.service_call(str(service.base_url), "another key"), [upload(0.02)] * 4, 2
    )
    assert trial.failures == ["status 401"] * 4
    assert trial.latencies == []
    assert trial.photos_per_second == 0
    assert trial.latency(50) is None


def test_an_unreachable_service_is_a_failure() -> None:
    trial = run_closed_loop(http_calls.service_call(f"http://127.0.0.1:{free_port()}", "key"), [b"photo"], 1)
    assert "ConnectError" in trial.failures[0]


@pytest.mark.not_quick
@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"faces": null}', b'{"faces": [{"left": 1}]}'])
def test_a_malformed_answer_is_a_failure(body: bytes) -> None:
    with _server(body) as (port, _):
        call = http_calls.service_call(f"http://127.0.0.1:{port}", "key")
        assert len(run_closed_loop(call, [b"photo"], 1).failures) == 1


@pytest.mark.not_quick
def test_requests_equal_those_of_the_app() -> None:
    with _server(b'{"faces": []}') as (port, requests):
        call = http_calls.service_call(f"http://127.0.0.1:{port}", "the key")
        trial = run_closed_loop(call, [b"\xff\xd8\xff"] * 6, 2)
    assert trial.failures == []
    assert len({connection for connection, _, _ in requests}) == 6, "one connection per request"
    for _, key, body in requests:
        assert key == "the key"
        assert b'name="file"; filename="/srv/nextcloud/tmp/oc_tmp_6fbe56"\r\n' in body
        assert b"Content-Type: application/octet-stream\r\n\r\n\xff\xd8\xff\r\n" in body


@contextmanager
def _server(answer: bytes) -> Iterator[tuple[int, list[tuple[int, str | None, bytes]]]]:
    """Port of the server, and its requests so far: client port, key and body."""
    requests: list[tuple[int, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            requests.append((self.client_address[1], self.headers["x-api-key"], body))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # The default interval would add half a second to the end of every test.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, requests
        finally:
            server.shutdown()
            thread.join()
