"""A worker that is killed again and again: every photo has the answer that it has alone."""

from __future__ import annotations

import io
import os
import random
import signal
import statistics
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.calling import Caller
from tests.faults.conftest import PATIENCE
from tests.faults.test_starting import eventually, is_there
from tests.hostile import TABLE
from tests.unit.service.web.test_refusals import damaged_photos

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

SECONDS_BETWEEN = 10.0
"""From one SIGKILL to the next."""
HOSTILE_IN_A_HUNDRED = 4
MEGAPIXELS = (0.1, 0.15, 0.2, 0.3)
LARGE = (1.2, 1.2, 1.2, 8.2)
"""Megapixels of the large photos, the last near the area that is advertised."""
LARGE_IN_A_HUNDRED = 3
GROWTH = 1.1
"""Memory of the web process in the last quarter of the run over the first's."""
LARGEST_WORKER = 512 * 1024
"""KiB: 272,000 at rest, and three photos, of which one is large."""
SAMPLE_SECONDS = 0.25

Call = Callable[[], str]
"""A request; what is wrong with its answer, or nothing."""


def worker_of(service: Service) -> int:
    """The process id of the worker, as soon as there is one."""
    web = found = service.process.pid

    def is_found() -> bool:
        nonlocal found
        found = service.worker_pid
        return found != web

    eventually("a worker", is_found)
    return found


def is_ready(caller: Caller) -> bool:
    return caller.get("/ready").status == 200


def status_of(process: int, name: str) -> int:
    """A number of /proc/PID/status: KiB where it is one of memory."""
    lines = Path("/proc", str(process), "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def written(process: int) -> int:
    """Bytes that a process has had written to disk so far (proc(5), write_bytes), 0 for one that has ended."""
    try:
        lines = Path("/proc", str(process), "io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def descriptors(process: int) -> int:
    return len(list(Path("/proc", str(process), "fd").iterdir()))


@dataclass
class Killing:
    """Kills the warm worker every SECONDS_BETWEEN while it is entered, at first when `due` is set; samples before.

    write_bytes of a process holds those of children that it has waited for, and so that of the web process all workers.
    What a decoder writes between the last sample and the end of its fork server is not seen.
    """

    service: Service
    caller: Caller
    due: threading.Event = field(default_factory=threading.Event)
    kills: int = 0
    web_memory: list[int] = field(default_factory=list)
    worker_memory: list[int] = field(default_factory=list)
    """KiB of each worker, as it was killed."""
    written: dict[int, int] = field(default_factory=dict)
    """Bytes by process."""

    def __enter__(self) -> Killing:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._kill, self._sample)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.due.set()
        for thread in self._threads:
            thread.join()

    def _kill(self) -> None:
        self.due.wait()
        while not self._over.is_set():
            worker = worker_of(self.service)
            if is_ready(
                self.caller
            ):  # one that is starting is left alone: failed starts in a row end the service
                self.worker_memory.append(status_of(worker, "VmRSS"))
                os.kill(worker, signal.SIGKILL)
                self.kills += 1
                self._over.wait(SECONDS_BETWEEN)
            else:
                self._over.wait(SAMPLE_SECONDS)

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.web_memory.append(status_of(self.service.process.pid, "VmRSS"))
            self.written |= {process: written(process) for process in self.service.family()}


def honest_photos(photos: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Small ones in some sizes, and large ones."""
    images = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos]
    small = [scaled(image, megapixels) for image in images for megapixels in MEGAPIXELS]
    return small, [scaled(image, megapixels) for image, megapixels in zip(images, LARGE, strict=False)]


def scaled(image: Image.Image, megapixels: float) -> bytes:
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    file = io.BytesIO()
    image.resize((int(image.width * scale), int(image.height * scale))).save(file, "JPEG")
    return file.getvalue()


def hostile_calls(caller: Caller) -> list[Call]:
    """Every kind that the tests have, and the files of past faults where they are."""

    def wrong(name: str) -> str:
        status = TABLE[name].send(caller)
        return "" if status in TABLE[name].allowed else f"{name}: {status}"

    calls: list[Call] = [lambda name=name: wrong(name) for name in TABLE]  # type: ignore[misc]
    for name, photo in {**damaged_photos(), **cases_that_are_refused()}.items():
        calls.append(lambda name=name, photo=photo: posted(caller, photo, 415, name))  # type: ignore[misc]
    return calls


def cases_that_are_refused() -> Mapping[str, bytes]:
    folder = Path(os.environ.get("FACE_TEST_PHOTOS", "/nonexistent")).parent / "cases"
    table = folder / "expected.tsv"
    lines = table.read_text().splitlines() if table.exists() else []
    return {
        name: (folder / name).read_bytes()
        for name, expected in (line.split("\t") for line in lines if "\t" in line)
        if expected.startswith("415")
    }


def posted(caller: Caller, photo: bytes, status: int, name: str, body: bytes | None = None) -> str:
    reply = caller.post("/detect", caller.photo(photo))
    if reply.status != status:
        return f"{name}: {reply.status} {reply.body[:200]!r}"
    return "" if body is None or reply.body == body else f"{name}: another answer than alone"


def mixed(count: int, small: list[Call], large: list[Call], hostile: list[Call]) -> list[Call]:
    """So many calls in an order that is the same each time."""
    few = count * HOSTILE_IN_A_HUNDRED // 100
    some = count * LARGE_IN_A_HUNDRED // 100
    calls = [hostile[number % len(hostile)] for number in range(few)]
    calls += [large[number % len(large)] for number in range(some)]
    calls += [small[number % len(small)] for number in range(count - few - some)]
    random.Random(4).shuffle(calls)
    return calls


def growth(samples: list[int]) -> float:
    """The median of the last quarter of the samples over that of the first."""
    quarter = len(samples) // 4
    return statistics.median(samples[-quarter:]) / statistics.median(samples[:quarter])


@pytest.mark.parametrize(
    ("count", "callers"), [(60, 8), pytest.param(2000, 32, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_a_worker_that_is_killed_costs_no_photo(
    start_service: StartService, small_photos: list[bytes], tmp_path: Path, count: int, callers: int
) -> None:
    service = start_service(FACE_MODEL="3", TMPDIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    service.wait_until_ready()
    caller = Caller(service.port, patience=PATIENCE)
    web = service.process.pid

    def expecting(photo: bytes) -> Call:
        alone = caller.post("/detect", caller.photo(photo))
        assert alone.status == 200
        return lambda: posted(caller, photo, 200, "an honest photo", alone.body)

    small, large = ([*map(expecting, photos)] for photos in honest_photos(small_photos))
    calls = mixed(count, small, large, hostile_calls(caller))
    before, written_before = descriptors(web), sum(map(written, service.family()))
    with Killing(service, caller) as killing, ThreadPoolExecutor(callers) as pool:

        def call(number: int) -> str:
            if number == count // 10:
                killing.due.set()
            try:
                return calls[number]()
            except OSError as error:
                return repr(error)

        wrong = [fault for fault in pool.map(call, range(count)) if fault]
    assert wrong == []
    assert killing.kills >= (1 if count < 1000 else 4)
    assert service.process.poll() is None
    assert "it is refused" not in service.log

    # The start of a worker may dirty a folder: numba tries whether its cache can be written.
    assert killing.written.pop(web) <= written_before
    assert set(killing.written.values()) == {0}, killing.written
    assert list(tmp_path.iterdir()) == []
    eventually("no descriptor more than before", lambda: descriptors(web) <= before)
    if count >= 1000:
        assert growth(killing.web_memory) <= GROWTH, killing.web_memory
        # One sample a worker, perhaps in the middle of a large photo.
        assert max(killing.worker_memory) <= LARGEST_WORKER, killing.worker_memory
    metrics = caller.get("/metrics").body.decode()
    restarts = [line for line in metrics.splitlines() if line.startswith("face_worker_restarts_total{")]
    assert sum(float(line.split()[-1]) for line in restarts) == killing.kills
    family = service.family()
    assert service.stop() == 0
    eventually("the end of every process", lambda: not any(map(is_there, family)))
    assert "Traceback" not in service.log
    print(
        f"{killing.kills} kills, web {min(killing.web_memory)} to {max(killing.web_memory)} KiB, "
        f"workers {killing.worker_memory} KiB"
    )
