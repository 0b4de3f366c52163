"""A service with few file descriptors and more callers than those."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.calling import Caller
from tests.faults.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import StartService

LIMIT = 256
CALLERS = LIMIT + 144
LINES = 200
"""Of the log, at most; each connection or failure with a line of its own would be many more."""


def test_idle_connections_beyond_the_limit_cost_no_answer(
    start_service: StartService, portrait: bytes
) -> None:
    limited = ("sh", "-c", f'ulimit -n {LIMIT} && exec "$0" -m service serve', sys.executable)
    service = start_service(command=limited, FACE_MODEL="3")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    idle = [caller.connect() for _ in range(CALLERS)]
    for number, connection in enumerate(idle):
        if number % 2:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Drip: ")
    slowest = 0.0
    for _ in range(5):
        started = time.monotonic()
        assert caller.get("/health").status == 200
        slowest = max(slowest, time.monotonic() - started)
        assert caller.post("/detect", caller.photo(portrait)).json["faces-count"] == 1
    assert slowest < 30  # by far less than the time for which a silent connection is kept
    open_files = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
    assert open_files < LIMIT
    for connection in idle:
        connection.close()
    assert service.stop() == 0
    assert "Traceback" not in service.log
    assert len(service.lines) < LINES
