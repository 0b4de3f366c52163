"""More callers, slower callers and less memory than anybody planned for."""

from __future__ import annotations

import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tests.calling import Caller
from tests.faults.conftest import PATIENCE, Crowd
from tests.faults.test_failing_engine import assert_same_answer, counted

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

MANY = 300
HEADROOM = 480 << 20
"""Bytes that the worker may map beyond what it has. One photo of 8 megapixels fits into 360 MiB and not into 180; with
720, 14 of 16 photos had to be tried again, eight at a time."""


def threads(process: int) -> int:
    return len(list(Path(f"/proc/{process}/task").iterdir()))


@pytest.mark.slow
def test_three_hundred_callers_all_have_their_answer(
    service: Service, caller: Caller, small_photos: list[bytes]
) -> None:
    processes = (service.process.pid, service.worker_pid)
    before = [threads(process) for process in processes]
    crowd = Crowd(caller, small_photos, MANY)
    crowd.start()
    crowd.all_connected.wait()
    for path in ("/open", "/health", "/ready", "/metrics"):
        assert caller.get(path).status == 200
    crowd.end()
    assert crowd.failures == []
    assert crowd.refused == 0
    assert crowd.statuses == {200: len(crowd.replies)}
    assert len(crowd.replies) >= MANY
    # Callers wait as connections, not as threads: there are asyncio's own beside those that were there.
    for process, number in zip(processes, before, strict=True):
        assert threads(process) <= number + min(32, (os.cpu_count() or 1) + 4)
    assert service.stop() == 0


@pytest.mark.slow
def test_half_a_request_costs_nobody_else_anything(start_service: StartService, portrait: bytes) -> None:
    """Heads and bodies that stop in the middle are given up; one that drips in is not, and is answered."""
    service = start_service(FACE_MODEL="3", FACE_PATIENCE="5")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    head, body = caller.form("/detect", caller.photo(portrait))
    half_heads = [caller.connect() for _ in range(32)]
    half_bodies = [caller.connect() for _ in range(32)]
    for connection in half_heads:
        connection.sendall(head[: len(head) // 2])
    for connection in half_bodies:
        connection.sendall(head + body[: len(body) // 2])
    dripping = caller.connect()
    dripping.sendall(head)
    pieces = np.array_split(np.frombuffer(body, np.uint8), 8)
    for piece in pieces:
        dripping.sendall(piece.tobytes())
        assert caller.post("/detect", caller.photo(portrait)).status == 200
        time.sleep(0.8)  # in all, longer than the service's patience
    assert caller.exchange(b"", b"", connection=dripping).status == 200
    for connection in half_heads:
        with connection:
            assert connection.recv(1) == b""
    for connection in half_bodies:
        with connection, connection.makefile("rb") as stream:
            assert stream.readline() in (b"HTTP/1.1 408 Request Timeout\r\n", b"HTTP/1.1 408 \r\n")
    assert service.stop() == 0
    assert "Traceback" not in service.log


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to RLIMIT_AS")
def test_a_memory_limit_of_the_system_loses_no_photo(
    start_service: StartService, photos: dict[str, Path]
) -> None:
    """FACE_MEMORY promises what the system does not hold."""
    face = cv2.imread(str(photos["astronaut.png"]))
    assert face is not None
    large = cv2.imencode(".jpg", cv2.resize(face, (2880, 2880)))[1].tobytes()
    # Two arenas: the C library would reserve addresses for one of each thread's, which the limit counts as memory.
    service = start_service(FACE_MODEL="4", FACE_MEMORY="64GiB", GUNICORN_WORKERS="8", MALLOC_ARENA_MAX="2")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    alone = caller.post("/detect", caller.photo(large))
    assert alone.status == 200
    worker = service.worker_pid
    mapped = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * resource.getpagesize()
    # Of the worker alone: its fork server runs already, and decoders have limits of their own.
    resource.prlimit(worker, resource.RLIMIT_AS, (mapped + HEADROOM, mapped + HEADROOM))
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: caller.post("/detect", caller.photo(large)), range(16)))
    assert {reply.status for reply in replies} == {200}, service.log
    for reply in replies:
        assert_same_answer(reply.json, alone.json)
    assert counted(caller, "face_retried_total") > 0
    assert service.worker_pid == worker
    assert service.stop() == 0
