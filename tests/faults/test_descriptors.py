"""More connections than the service has file descriptors."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tests.calling import Caller
from tests.processes import open_files

if TYPE_CHECKING:
    from tests.services import StartService

LIMIT = 256
CALLERS = LIMIT + 144
LOG_LINES = 200
"""Upper bound after the start; a line per connection or failure would be many more."""


def test_answers_despite_more_idle_connections_than_descriptors(
    start_service: StartService, portrait: bytes
) -> None:
    limited = ("sh", "-c", f'ulimit -n {LIMIT} && exec "$0" -m service serve', sys.executable)
    service = start_service(command=limited, FACE_MODEL="3")
    service.wait_until_ready()
    lines_before = len(service.lines)  # the start logs a line for each poll of /ready
    caller = Caller(service.port)
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
    assert slowest < 30  # far less than the time after which a silent connection is closed
    assert open_files(service.process.pid) < LIMIT
    for connection in idle:
        connection.close()
    assert service.stop() == 0
    assert "Traceback" not in service.log
    assert len(service.lines) - lines_before < LOG_LINES
