"""Overload: many callers, slow callers, and less memory than FACE_MEMORY states."""

from __future__ import annotations

import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.answers import assert_same_answer
from tests.calling import Caller
from tests.faults.crowd import Crowd
from tests.faults.resizing import resized
from tests.processes import status_number

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

MANY = 300
HEADROOM = 480 << 20
"""Bytes that the worker may map in addition. A photo of 8 megapixels fits into 360 MiB and not into 180. With 720 MiB,
14 of 16 photos were retried, eight at a time."""


@pytest.mark.slow
def test_answers_three_hundred_concurrent_callers(
    service: Service, caller: Caller, small_photos: list[bytes]
) -> None:
    processes = (service.process.pid, service.worker_pid)
    before = [status_number(process, "Threads") for process in processes]
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
    # Callers wait as connections, not as threads: only the pool of asyncio is added.
    for process, number in zip(processes, before, strict=True):
        assert status_number(process, "Threads") <= number + min(32, (os.cpu_count() or 1) + 4)
    assert service.stop() == 0


@pytest.mark.slow
def test_incomplete_requests_do_not_affect_others(start_service: StartService, portrait: bytes) -> None:
    """Stalled heads and bodies time out; a slow body does not, and is answered."""
    service = start_service(FACE_MODEL="3", FACE_PATIENCE="5")
    service.wait_until_ready()
    caller = Caller(service.port)
    head, body = caller.form("/detect", caller.photo(portrait))
    half_heads = [caller.connect() for _ in range(32)]
    half_bodies = [caller.connect() for _ in range(32)]
    for connection in half_heads:
        connection.sendall(head[: len(head) // 2])
    for connection in half_bodies:
        connection.sendall(head + body[: len(body) // 2])
    slow = caller.connect()
    slow.sendall(head)
    pieces = np.array_split(np.frombuffer(body, np.uint8), 8)
    for piece in pieces:
        slow.sendall(piece.tobytes())
        assert caller.post("/detect", caller.photo(portrait)).status == 200
        time.sleep(0.8)  # longer in total than FACE_PATIENCE
    assert caller.exchange(b"", b"", connection=slow).status == 200
    for connection in half_heads:
        with connection:
            assert connection.recv(1) == b""
    for connection in half_bodies:
        with connection, connection.makefile("rb") as stream:
            assert stream.readline() in (b"HTTP/1.1 408 Request Timeout\r\n", b"HTTP/1.1 408 \r\n")
    assert service.stop() == 0
    assert "Traceback" not in service.log


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce RLIMIT_AS")
def test_retries_photos_that_exceed_a_memory_limit_of_the_system(
    start_service: StartService, photos: dict[str, Path]
) -> None:
    """FACE_MEMORY is larger than the limit of the system."""
    large = resized(photos["astronaut.png"].read_bytes(), 2880 * 2880 / 1e6)
    # Two arenas: the C library reserves addresses for one per thread, and RLIMIT_AS counts addresses.
    service = start_service(FACE_MODEL="4", FACE_MEMORY="64GiB", GUNICORN_WORKERS="8", MALLOC_ARENA_MAX="2")
    service.wait_until_ready()
    caller = Caller(service.port)
    alone = caller.post("/detect", caller.photo(large))
    assert alone.status == 200
    worker = service.worker_pid
    mapped = status_number(worker, "VmSize") * 1024
    # The limit holds for the worker alone: its fork server already runs, and decoders have their own limits.
    resource.prlimit(worker, resource.RLIMIT_AS, (mapped + HEADROOM, mapped + HEADROOM))
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: caller.post("/detect", caller.photo(large)), range(16)))
    assert {reply.status for reply in replies} == {200}, service.log
    for reply in replies:
        assert_same_answer(reply.json, alone.json)
    assert caller.metric("face_retried_total") > 0
    assert service.worker_pid == worker
    assert service.stop() == 0
