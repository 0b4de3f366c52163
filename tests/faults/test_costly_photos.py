"""Photos that end the worker process: only that photo fails."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from service.supervision.deaths import death
from tests.calling import Caller
from tests.faults.planted_worker import CRASHING_WIDTH
from tests.faults.resizing import resized
from tests.processes import worker_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.services import StartService

PARENTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
"""Folders for new control groups, of version 1 or else of version 2 (cgroups(7))."""
FILES = (("memory.usage_in_bytes", "memory.limit_in_bytes"), ("memory.current", "memory.max"))
"""Bytes in use and their limit, by version."""
HEADROOM = 150 * 1024**2
"""Bytes above a worker that has answered small photos; one of the advertised area needs at least 200 MiB."""


def test_a_photo_that_crashes_the_worker_fails_alone(
    start_service: StartService, small_photos: list[bytes]
) -> None:
    service = start_service(
        command=(sys.executable, "-m", "tests.faults.planted_worker", "photo"), FACE_MODEL="3"
    )
    service.wait_until_ready()
    caller = Caller(service.port)
    file = io.BytesIO()
    Image.new("RGB", (CRASHING_WIDTH, 200)).save(file, "PNG")
    name = b"a-very-private-name.png"
    alone = [caller.post("/detect", caller.photo(photo)).body for photo in small_photos]
    with ThreadPoolExecutor(16) as threads:
        before = [threads.submit(caller.post, "/detect", caller.photo(photo)) for photo in small_photos]
        crashing = threads.submit(caller.post, "/detect", caller.photo(file.getvalue(), name))
        after = [threads.submit(caller.post, "/detect", caller.photo(photo)) for photo in small_photos]
        for replies in (before, after):
            assert [(reply.result().status, reply.result().body) for reply in replies] == [
                (200, body) for body in alone
            ]
        refused = crashing.result()
    assert (refused.status, list(refused.json)) == (415, ["error"])
    assert "SIGSEGV" in refused.json["error"]
    metrics = caller.get("/metrics").body.decode()
    assert 'face_worker_restarts_total{cause="SIGSEGV"} 2.0' in metrics
    assert caller.get("/ready").json["restarts"] == 2
    assert service.stop() == 0
    (line,) = [line for line in service.log.splitlines() if "is refused" in line]
    for part in (
        f"an image of {len(file.getvalue())} bytes (PNG, {CRASHING_WIDTH} x 200)",
        "SIGSEGV",
        "2 times",
    ):
        assert part in line
    assert name.decode() not in service.log
    assert "Traceback" not in service.log


class MemoryGroup:
    """A control group that limits the memory of its processes."""

    def __init__(self, folder: Path) -> None:
        """The version follows from the folder's files. Raises FileNotFoundError if the group limits no memory."""
        self.folder = folder
        names = next((names for names in FILES if (folder / names[0]).exists()), None)
        if names is None:
            raise FileNotFoundError(f"the control group {folder} does not limit memory")
        self._used, self._limit = (folder / name for name in names)

    def add(self, processes: tuple[int, ...]) -> None:
        for process in processes:
            (self.folder / "cgroup.procs").write_text(str(process))

    def limit_growth(self, size: int) -> None:
        """Limits the memory of its processes to `size` bytes more than now."""
        self._limit.write_text(str(int(self._used.read_text()) + size))

    def is_empty(self) -> bool:
        return not (self.folder / "cgroup.procs").read_text()


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    folder = next(parent for parent in PARENTS if parent.is_dir()) / f"face-model-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"the system refuses a new control group: {error.strerror}")
    try:
        made = MemoryGroup(folder)
    except FileNotFoundError as error:
        folder.rmdir()
        pytest.skip(str(error))
    yield made
    eventually("the end of the processes in the group", made.is_empty)
    folder.rmdir()


@pytest.mark.slow
def test_a_photo_that_takes_all_memory_fails_alone(
    start_service: StartService, small_photos: list[bytes], group: MemoryGroup
) -> None:
    service = start_service(FACE_MODEL="4")
    with closing(service):
        service.wait_until_ready()
        caller = Caller(service.port)
        web, area = service.process.pid, caller.get("/open").json["maximum_area"]
        # After the start, since a service that starts with this limit advertises a smaller area.
        group.add(service.family())
        # Memory counts in the group where it was allocated, so only the next worker's counts in this one.
        os.kill(worker_of(service), signal.SIGKILL)
        service.wait_for_log("another one is started")
        service.wait_until_ready()
        alone = [caller.post("/detect", caller.photo(photo)).body for photo in small_photos]
        large = resized(small_photos[0], 0.99 * area / 1e6)
        group.limit_growth(HEADROOM)
        with ThreadPoolExecutor(8) as threads:
            large_reply = threads.submit(caller.post, "/detect", caller.photo(large))
            others = [threads.submit(caller.post, "/detect", caller.photo(photo)) for photo in small_photos]
            assert [other.result().body for other in others] == alone
            assert large_reply.result().status in {200, 503}
        deaths = f'face_worker_restarts_total{{cause="{death(-signal.SIGKILL, None).cause}"}}'
        assert deaths in caller.get("/metrics").body.decode()
        for photo, body in zip(small_photos, alone, strict=True):
            assert caller.post("/detect", caller.photo(photo)).body == body
        assert worker_of(service) != web
        assert service.stop() == 0
        assert "Traceback" not in service.log
