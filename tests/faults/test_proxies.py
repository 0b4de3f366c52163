"""The HTTPS proxies of deploy/proxy, as processes: photos, errors and events pass unchanged, and nothing is stored."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from benchmarks.processes import process_tree
from service.settings import Settings
from tests.calling import KEY, Caller, read_head
from tests.disk_writes import DiskWrites, disk_writes
from tests.faults.conftest import running
from tests.faults.proxies import (
    CADDY,
    FILES,
    HOST,
    NGINX,
    Certificate,
    Proxy,
    caddy,
    caddy_configuration,
    nginx,
)
from tests.faults.stub_upstream import ANSWER, answers, read_request, upstream

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

LARGE = 100 * 1024 * 1024
"""Bytes of an upload; the service accepts 128 MiB."""
OVER_LOWERED_LIMITS = 1.5
"""Seconds; the tests' nginx has time-outs of half a second where deploy/proxy does not set others."""

PROXIES = {"nginx": (NGINX, nginx, "nginx-path.conf"), "caddy": (CADDY, caddy, "Caddyfile-path")}


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Iterator[Service]:
    """A service of model 3 for all tests of this file."""
    with running(start_service, "3") as service:
        yield service


@pytest.fixture(params=PROXIES)
def name(request: pytest.FixtureRequest) -> str:
    program, *_ = PROXIES[request.param]
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def proxied(name: str, tmp_path: Path) -> Callable[..., Any]:
    """`proxied("127.0.0.1:5000")` starts the proxy in front of this address."""
    return lambda upstream, **options: PROXIES[name][1](upstream, tmp_path, **options)


@pytest.fixture
def proxy(proxied: Callable[..., Any], service: Service) -> Iterator[Proxy]:
    """The proxy in front of the service."""
    with proxied(f"127.0.0.1:{service.port}") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def png() -> bytes:
    """A PNG of over 8 MB: noise, since it cannot be compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (1400, 2000, 3), np.uint8)
    encoded = cv2.imencode(".png", noise)[1].tobytes()
    assert len(encoded) > 8e6
    return encoded


def chunked(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The same request with `Transfer-Encoding: chunked`, in chunks of 1 MiB."""
    step = 1024 * 1024
    pieces = [body[start : start + step] for start in range(0, len(body), step)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head), coded


def test_passes_a_png_over_the_usual_limit_of_a_megabyte(proxy: Proxy, png: bytes) -> None:
    reply = proxy.caller.post("/detect", proxy.caller.photo(png))
    assert (reply.status, reply.interim) == (200, True)
    assert reply.json["filename"] == "oc_tmp_6fbe56"


def _writes_at_rest(process: int) -> DiskWrites:
    """The writes once none was added for a second: Caddy tidies its folder just after its start."""
    written = disk_writes(process)
    while True:
        time.sleep(1)
        before, written = written, disk_writes(process)
        if written == before:
            return written


@pytest.mark.parametrize("coding", ["length", pytest.param("chunked", marks=pytest.mark.slow)])
def test_streams_100_mib_without_the_disk(proxy: Proxy, portrait: bytes, coding: str) -> None:
    """A photo followed by zeros, which decoders ignore, with `Expect: 100-continue`, by two callers at once."""
    before = _writes_at_rest(proxy.pid)
    head, body = proxy.caller.form("/detect", proxy.caller.photo(portrait + bytes(LARGE)))
    if coding == "chunked":
        head, body = chunked(head, body)
    with ThreadPoolExecutor(2) as threads:
        sent = [threads.submit(proxy.caller.exchange, head, body, wait_for_100=True) for _ in range(2)]
        replies = [request.result() for request in sent]
    assert [(reply.status, reply.json["faces-count"]) for reply in replies] == [(200, 1)] * 2
    assert disk_writes(proxy.pid) == before
    assert process_tree.peak_memory(proxy.pid) < LARGE / 1024**2


def test_errors_arrive_unchanged(proxy: Proxy, service: Service, png: bytes) -> None:
    direct, wrong = Caller(service.port), b"x-api-key: wrong"
    too_large = Settings.model_fields["maximum_upload"].default + 1024
    cases: dict[int, Callable[[Caller], Any]] = {
        401: lambda caller: replace(caller, key_header=wrong).post("/detect", caller.photo(png)),
        404: lambda caller: caller.get("/nowhere"),
        413: lambda caller: caller.post("/detect", caller.photo(bytes(too_large))),
        415: lambda caller: caller.post("/detect", caller.photo(b"no image")),
    }
    for status, call in cases.items():
        through = call(proxy.caller)
        assert through.status == status
        assert through.headers["content-type"] == "application/json"
        assert through.body == call(direct).body


def test_open_answers_while_photos_are_computed(proxy: Proxy, png: bytes) -> None:
    with ThreadPoolExecutor(4) as threads:
        photos = [threads.submit(proxy.caller.post, "/detect", proxy.caller.photo(png)) for _ in range(4)]
        while not any(photo.done() for photo in photos):
            assert proxy.caller.get("/open").status == 200
        assert [photo.result().status for photo in photos] == [200] * 4


def test_a_path_of_another_site(
    name: str, proxied: Callable[..., Any], service: Service, portrait: bytes
) -> None:
    """The app's address https://cloud.example.org/faces, also with a slash at its end."""
    with proxied(f"127.0.0.1:{service.port}", file=PROXIES[name][2]) as (caller, _):
        for address in ("/faces", "/faces/"):
            assert caller.get(f"{address}/open").json["maximum_area"] > 0
            photo = caller.post(f"{address}/detect", caller.photo(portrait + bytes(2_000_000)))
            assert (photo.status, photo.json["faces-count"]) == (200, 1)
        assert not caller.get("/open").body.startswith(b"{"), "this path belongs to the other site"


def test_the_same_limits_apply_to_a_path() -> None:
    """nginx-path.conf repeats each directive of nginx.conf's location."""

    def directives(text: str) -> set[str]:
        inner = text[text.index("location") :]
        return set(re.findall(r"^ +((?!proxy_pass|#|location)\w.*;)$", inner, re.MULTILINE))

    one, other = (directives((FILES / file).read_text()) for file in ("nginx.conf", "nginx-path.conf"))
    assert one == other
    assert len(one) == 10


def test_waits_for_an_answer_without_a_limit(proxied: Callable[..., Any]) -> None:
    serve = answers(after=OVER_LOWERED_LIMITS)
    with upstream(serve) as (address, _), proxied(address) as (caller, _pid):
        assert caller.post("/detect", caller.photo(b"photo")).body == b"ok"


def test_an_upload_waits_while_the_service_does_not_read(proxied: Callable[..., Any]) -> None:
    """As in a full queue, whose callers wait with their bodies unread (back-pressure)."""
    serve = answers(before=OVER_LOWERED_LIMITS)
    with upstream(serve) as (address, _), proxied(address) as (caller, _pid):
        assert caller.post("/detect", caller.photo(bytes(20_000_000))).body == b"ok"


def test_a_photo_is_sent_once(proxied: Callable[..., Any]) -> None:
    """A second attempt would need the whole body in the proxy's memory."""
    with upstream(read_request) as (address, connections), proxied(address) as (caller, _):
        assert caller.post("/detect", caller.photo(b"photo")).status == 502
        assert len(connections) == 1


def test_each_request_has_a_connection_of_its_own(proxied: Callable[..., Any]) -> None:
    def keeps_open(line: socket.socket) -> None:
        while read_request(line):
            line.sendall(ANSWER)

    with upstream(keeps_open) as (address, connections), proxied(address) as (caller, _):
        assert [caller.get("/open").status for _ in range(3)] == [200] * 3
        assert len(connections) == 3


def test_events_arrive_at_once(proxied: Callable[..., Any]) -> None:
    received = threading.Event()

    def send_two(line: socket.socket) -> None:
        read_request(line)
        line.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        line.sendall(b"e\r\ndata: first\n\n\n\r\n")
        assert received.wait(30), "the first event is held back until the second"
        line.sendall(b"f\r\ndata: second\n\n\n\r\n0\r\n\r\n")

    with upstream(send_two) as (address, _), proxied(address) as (caller, _pid), caller.connect() as line:
        line.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with line.makefile("rb") as stream:
            assert read_head(stream)[0] == 200
            assert any(b"first" in event for event in stream)
            received.set()
            assert any(b"second" in event for event in stream)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_verifies_the_certificate(
    proxied: Callable[..., Any], service: Service, png: bytes, tmp_path: Path, version: str
) -> None:
    """The program curl has the library of the app; over TLS it prefers HTTP/2, where a proxy offers that."""
    (tmp_path / "photo.png").write_bytes(png)
    with proxied(f"127.0.0.1:{service.port}") as (caller, _):
        trusted = ["--cacert", str(caller.certificate), version]
        form = ["-H", f"x-api-key: {KEY}", "-F", f"file=@{tmp_path / 'photo.png'}"]
        command = ["curl", "--silent", "--fail", *trusted, *form, f"https://{HOST}:{caller.port}/detect"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["filename"] == "photo.png"


@pytest.mark.skipif(CADDY is None, reason="caddy is not installed")
@pytest.mark.parametrize("file", ["Caddyfile", "Caddyfile-path"])
def test_caddy_has_no_limits(tmp_path: Path, file: str) -> None:
    """In its own JSON, which names each limit that is set."""
    path = tmp_path / "Caddyfile"
    path.write_text(caddy_configuration(file, "127.0.0.1:5000", 8443, Certificate(Path("a"), Path("b"))))
    command = [str(CADDY), "adapt", "--config", str(path)]
    adapted = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert '"keep_alive":{"enabled":false}' in adapted.stdout
    assert '"expect_continue_timeout":60000000000' in adapted.stdout
    assert not re.search("(?<!expect_continue_)timeout|max_size|buffer|retries|try_duration", adapted.stdout)
