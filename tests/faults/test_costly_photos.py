"""Photos that end the worker: each costs itself alone."""

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
from tests.faults.conftest import PATIENCE
from tests.faults.planted_worker import CULPRIT
from tests.faults.test_dying_worker import scaled, worker_of
from tests.faults.test_starting import eventually

if TYPE_CHECKING:
    from tests.conftest import StartService

PARENTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
"""Where control groups are made, of version 1 or else of version 2 (cgroups(7))."""
FILES = (("memory.usage_in_bytes", "memory.limit_in_bytes"), ("memory.current", "memory.max"))
"""Bytes in use and their limit, by version."""
SPARE = 150 * 1024**2
"""Bytes beside a worker that has answered small photos, too few for one of the advertised area: at least 200 MiB."""


def test_a_photo_that_crashes_the_worker_costs_itself_alone(
    start_service: StartService, small_photos: list[bytes]
) -> None:
    service = start_service(
        command=(sys.executable, "-m", "tests.faults.planted_worker", "culprit"), FACE_MODEL="3"
    )
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    file = io.BytesIO()
    Image.new("RGB", (CULPRIT, 200)).save(file, "PNG")
    name = b"a-very-private-name.png"
    alone = [caller.post("/detect", caller.photo(photo)).body for photo in small_photos]
    with ThreadPoolExecutor(16) as threads:
        before = [threads.submit(caller.post, "/detect", caller.photo(photo)) for photo in small_photos]
        culprit = threads.submit(caller.post, "/detect", caller.photo(file.getvalue(), name))
        after = [threads.submit(caller.post, "/detect", caller.photo(photo)) for photo in small_photos]
        for replies in (before, after):
            assert [(reply.result().status, reply.result().body) for reply in replies] == [
                (200, body) for body in alone
            ]
        refused = culprit.result()
    assert (refused.status, list(refused.json)) == (415, ["error"])
    assert "SIGSEGV" in refused.json["error"]
    metrics = caller.get("/metrics").body.decode()
    assert 'face_worker_restarts_total{cause="SIGSEGV"} 2.0' in metrics
    assert caller.get("/ready").json["restarts"] == 2
    assert service.stop() == 0
    (line,) = [line for line in service.log.splitlines() if "is refused" in line]
    for told in (f"an image of {len(file.getvalue())} bytes (PNG, {CULPRIT} x 200)", "SIGSEGV", "2 times"):
        assert told in line
    assert name.decode() not in service.log
    assert "Traceback" not in service.log


class Group:
    """A control group that limits the memory of processes."""

    def __init__(self, folder: Path) -> None:
        """Of the version that the folder's files belong to. Raises FileNotFoundError where it limits no memory."""
        self.folder = folder
        names = next((names for names in FILES if (folder / names[0]).exists()), None)
        if names is None:
            raise FileNotFoundError(f"the control group {folder} does not limit memory")
        self._used, self._limit = (folder / name for name in names)

    def add(self, processes: tuple[int, ...]) -> None:
        for process in processes:
            (self.folder / "cgroup.procs").write_text(str(process))

    def leave(self, size: int) -> None:
        """From now on its processes may take so many bytes more."""
        self._limit.write_text(str(int(self._used.read_text()) + size))

    def is_empty(self) -> bool:
        return not (self.folder / "cgroup.procs").read_text()


@pytest.fixture
def group() -> Iterator[Group]:
    folder = next(parent for parent in PARENTS if parent.is_dir()) / f"face-model-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"this system lets no test make a control group: {error.strerror}")
    try:
        made = Group(folder)
    except FileNotFoundError as error:
        folder.rmdir()
        pytest.skip(str(error))
    yield made
    eventually("the end of the processes in the group", made.is_empty)
    folder.rmdir()


@pytest.mark.slow
def test_a_photo_that_takes_all_memory_costs_itself_alone(
    start_service: StartService, small_photos: list[bytes], group: Group
) -> None:
    service = start_service(FACE_MODEL="4")
    with closing(service):
        service.wait_until_ready()
        caller = Caller(service.port, patience=PATIENCE)
        web, area = service.process.pid, caller.get("/open").json["maximum_area"]
        # After the start: a service with this limit would advertise a smaller area.
        group.add(service.family())
        # What a process has already counts where it was. The next worker counts in the group.
        os.kill(worker_of(service), signal.SIGKILL)
        service.wait_for_log("another one is started")
        service.wait_until_ready()
        alone = [caller.post("/detect", caller.photo(photo)).body for photo in small_photos]
        large = scaled(Image.open(io.BytesIO(small_photos[0])).convert("RGB"), 0.99 * area / 1e6)
        group.leave(SPARE)
        with ThreadPoolExecutor(8) as threads:
            costly = threads.submit(caller.post, "/detect", caller.photo(large))
            others = [threads.submit(caller.post, "/detect", caller.photo(photo)) for photo in small_photos]
            assert [other.result().body for other in others] == alone
            assert costly.result().status in {200, 503}
        deaths = f'face_worker_restarts_total{{cause="{death(-signal.SIGKILL, None).cause}"}}'
        assert deaths in caller.get("/metrics").body.decode()
        for photo, body in zip(small_photos, alone, strict=True):
            assert caller.post("/detect", caller.photo(photo)).body == body
        assert worker_of(service) != web
        assert service.stop() == 0
        assert "Traceback" not in service.log
