"""The application under ASGI servers other than our own: the same answers, hang-ups, crashes, and ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from benchmarks.processes.running import free_port
from service.hosting import instances
from service.settings import Settings
from tests.calling import Caller, read_head
from tests.contract.test_requests import FACE
from tests.paths import ROOT
from tests.servers import SERVERS
from tests.waiting import eventually

if TYPE_CHECKING:
    import socket

    from benchmarks.processes.running import Service
    from tests.services import StartService

pytestmark = [pytest.mark.slow, pytest.mark.own_server]  # these tests choose the server themselves

HTTP = ("test_requests.py", "test_status.py", "test_originals.py", "openapi/test_answers.py")
DECODED = ("test_formats.py", "test_cases.py")
FILES = {"uvicorn": (*HTTP, *DECODED), "hypercorn": HTTP[:2], "granian": ("test_status.py",)}
"""Files of the contract suite about answers, as many as the time allows. The others are about commands, the library, or
our own server (marker `own_server`)."""

SLOWEST = "maximum_area"
"""Part of the name of a test that is left out: many seconds of recognition, which no server changes."""


def start(start_service: StartService, name: str, **settings: str) -> Service:
    """Starts the application of model 3 under a server."""
    port = free_port()
    command = SERVERS[name].command(port)
    return start_service(command=command, PORT=str(port), **{"FACE_MODEL": "3", **settings})


def first_instance() -> socket.socket:
    """Takes the place of the first instance. Skips the test if a service of this machine keeps it for a minute."""
    for _ in range(600):
        if held := instances.hold(Settings()):
            return held
        time.sleep(0.1)
    pytest.skip("another instance runs on this machine")


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_the_contract_suite_passes_under_another_server(name: str) -> None:
    files = [Path(__file__).parent / file for file in FILES[name]]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--server", name, "-m", "not slow", "-k", f"not {SLOWEST}"),
            *map(str, files),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_answers_are_the_bytes_of_our_own_server(
    start_service: StartService, photos: dict[str, Path]
) -> None:
    own = start_service(FACE_MODEL="3")
    services = {name: start(start_service, name) for name in SERVERS}
    for service in (own, *services.values()):
        service.wait_until_ready()
    for photo in ("obama2.jpg", "coffee.png", "astronaut.png"):
        data = photos[photo].read_bytes()

        def answers(service: Service, data: bytes = data) -> list[bytes]:
            caller = Caller(service.port)
            replies = [
                caller.post("/detect", caller.photo(data)),
                caller.post("/compute", caller.photo(data, b"a.jpg"), caller.face(FACE)),
                caller.get("/open"),
            ]
            assert [reply.status for reply in replies] == [200] * 3
            return [reply.body for reply in replies]

        expected = answers(own)
        for name, service in services.items():
            assert answers(service) == expected, name
    assert own.stop() == 0
    for name, service in services.items():
        assert service.stop() == SERVERS[name].stopped, service.log
        assert "Traceback" not in service.log


def test_a_hang_up_cancels_the_photo(start_service: StartService, portrait: bytes) -> None:
    service = start(start_service, "uvicorn", GUNICORN_WORKERS="1", FACE_MODEL="4", FACE_THREADS="1")
    service.wait_until_ready()
    caller = Caller(service.port)
    lines = [caller.connect() for _ in range(4)]
    large = io.BytesIO()
    with Image.open(io.BytesIO(portrait)) as photo:
        photo.resize((2000, 2000)).save(large, "JPEG")  # seconds of work: none is answered before
    head, body = caller.form("/detect", caller.photo(large.getvalue()))
    for line in lines:
        line.sendall(head + body)
    eventually("they are received", lambda: caller.metric("face_requests_in_flight") == 5)  # with this one
    for line in lines[1:]:
        line.close()
    eventually("their work is cancelled", lambda: caller.metric("face_cancelled_total") == 3)
    with lines[0] as first:
        assert read_head(first.makefile("rb"))[0] == 200
    assert caller.post("/detect", caller.photo(portrait)).status == 200
    service.stop()
    assert "Traceback" not in service.log


def test_a_killed_worker_process_loses_no_photo(start_service: StartService, portrait: bytes) -> None:
    service = start(start_service, "hypercorn")
    service.wait_until_ready()
    caller = Caller(service.port)
    worker = service.worker_pid
    with ThreadPoolExecutor(8) as threads:
        replies = [threads.submit(caller.post, "/detect", caller.photo(portrait)) for _ in range(16)]
        eventually("a photo is answered", lambda: any(reply.done() for reply in replies))
        os.kill(worker, signal.SIGKILL)
        answers = [reply.result() for reply in replies]
    assert [answer.status for answer in answers] == [200] * 16
    assert len({answer.body for answer in answers}) == 1
    assert service.worker_pid != worker
    service.stop()


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_an_impossible_setting_ends_the_server_with_one_line(start_service: StartService, name: str) -> None:
    service = start(start_service, name, FACE_THREADS="many")
    assert service.wait() == SERVERS[name].refused, service.log
    assert service.log.count("FACE_THREADS=many is not possible: it has to be a whole number\n") == 1
    assert "Traceback" not in service.log


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_setting_that_the_worker_process_refuses_ends_the_server(
    start_service: StartService, tmp_path: Path, name: str
) -> None:
    """The plug-in's package is found by the factory, and is of no use to the first worker process."""
    (tmp_path / "onnxruntime_ep_webgpu.py").touch()
    service = start(start_service, name, FACE_PROVIDERS="webgpu", PYTHONPATH=str(tmp_path))
    assert service.wait() == SERVERS[name].failed, service.log
    (line,) = [line for line in service.lines if "FACE_PROVIDERS=webgpu is not possible here" in line]
    assert "CRITICAL" in line
    assert line.endswith("; this process ends\n")
    assert "Traceback" not in service.log


def test_a_service_whose_worker_processes_die_at_each_start_ends(
    start_service: StartService, tmp_path: Path
) -> None:
    """`/health` is 503 in the second before the end."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'service.worker' in sys.orig_argv:\n    os._exit(9)\n"
    )
    service = start(start_service, "uvicorn", PYTHONPATH=str(tmp_path))

    def unhealthy() -> bool:
        try:
            reply = Caller(service.port).get("/health")
        except OSError:
            assert service.process.poll() is None, service.log
            return False
        assert (reply.status, reply.body) == (200, b"ok") or list(reply.json) == ["error"]
        return reply.status == 503

    eventually("/health answers with 503", unhealthy)
    assert service.wait() == SERVERS["uvicorn"].failed, service.log
    assert "died at 5 starts in a row" in service.log


def test_a_further_process_without_a_share_is_warned_of(start_service: StartService) -> None:
    with first_instance():
        second = start(start_service, "uvicorn", FACE_LOG_FORMAT="json")
        third = start(start_service, "uvicorn", FACE_THREADS="1", FACE_MEMORY="1GiB")
        for service in (second, third):
            service.wait_for_log("Application startup complete")
            service.stop()
    warned = [line for line in second.lines if "another instance" in line]
    assert [json.loads(line)["level"] for line in warned] == ["warning"]
    assert all(name in warned[0] for name in ("FACE_THREADS", "FACE_MEMORY"))
    assert "another instance" not in third.log
