"""A worker that is killed repeatedly: every photo gets the same answer as without kills."""

from __future__ import annotations

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

from benchmarks.processes.process_tree import resident_memory
from service.memory.capacity import RESIDENT
from tests.calling import Caller
from tests.faults.reckoned_memory import ReckonedMemory
from tests.faults.resizing import SMALL_MEGAPIXELS, resized
from tests.hostile import TABLE
from tests.processes import bytes_written, is_running, open_files, status_number, worker_of
from tests.unit.service.web.test_refusals import damaged_photos
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

SECONDS_BETWEEN = 10.0
"""Seconds from one SIGKILL to the next."""
HOSTILE_IN_A_HUNDRED = 4
LARGE = (1.2, 1.2, 1.2, 8.2)
"""Megapixels of the large photos; the last is near the advertised area."""
LARGE_IN_A_HUNDRED = 3
GROWTH = 1.1
"""Upper bound of the web process's memory in the last quarter of the run, divided by that in the first."""
SAMPLE_SECONDS = 0.25
RELEASE_SECONDS = 30.0
"""Deadline for the memory of answered photos to be released, which takes milliseconds."""

Call = Callable[[], str]
"""A request. Returns the fault of its answer, or an empty string."""


@dataclass
class Killer:
    """Kills the ready worker every SECONDS_BETWEEN seconds, from `due` until `enough`; samples memory and disk writes.

    write_bytes of a process includes those of children that it has waited for; the web process thus includes all
    workers. Bytes that a decoder writes between the last sample and the end of its fork server are missed.
    """

    service: Service
    caller: Caller
    due: threading.Event = field(default_factory=threading.Event)
    enough: threading.Event = field(default_factory=threading.Event)
    kills: int = 0
    web_memory: list[int] = field(default_factory=list)
    worker_peaks: list[int] = field(default_factory=list)
    """Peak in KiB of each worker that was killed."""
    written: dict[int, int] = field(default_factory=dict)
    """Bytes by process id."""

    def __enter__(self) -> Killer:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._kill, self._sample)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.enough.set()
        self.due.set()
        for thread in self._threads:
            thread.join()

    def _kill(self) -> None:
        self.due.wait()
        while not self.enough.is_set():
            worker = worker_of(self.service)
            # Failed starts in a row would end the service.
            if self.caller.get("/ready").status == 200:
                self.worker_peaks.append(status_number(worker, "VmHWM"))
                os.kill(worker, signal.SIGKILL)
                self.kills += 1
                self.enough.wait(SECONDS_BETWEEN)
            else:
                self.enough.wait(SAMPLE_SECONDS)

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.web_memory.append(status_number(self.service.process.pid, "VmRSS"))
            self.written |= {process: bytes_written(process) for process in self.service.family()}


def honest_photos(photos: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Small photos, each in several sizes, and large photos."""
    small = [resized(photo, megapixels) for photo in photos for megapixels in SMALL_MEGAPIXELS]
    return small, [resized(photo, megapixels) for photo, megapixels in zip(photos, LARGE, strict=False)]


def hostile_calls(caller: Caller) -> list[Call]:
    """Every hostile request of the tests, and the files of past faults if FACE_TEST_PHOTOS has them."""

    def wrong(name: str) -> str:
        status = TABLE[name].send(caller)
        return "" if status in TABLE[name].allowed else f"{name}: {status}"

    calls: list[Call] = [lambda name=name: wrong(name) for name in TABLE]  # type: ignore[misc]
    for name, photo in {**damaged_photos(), **rejected_cases()}.items():
        calls.append(lambda name=name, photo=photo: posted(caller, photo, 415, name))  # type: ignore[misc]
    return calls


def rejected_cases() -> Mapping[str, bytes]:
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
    return "" if body is None or reply.body == body else f"{name}: differs from the answer without kills"


def mixed(count: int, small: list[Call], large: list[Call], hostile: list[Call]) -> list[Call]:
    """`count` calls in random order, from a fixed seed."""
    hostile_count = count * HOSTILE_IN_A_HUNDRED // 100
    large_count = count * LARGE_IN_A_HUNDRED // 100
    calls = [hostile[number % len(hostile)] for number in range(hostile_count)]
    calls += [large[number % len(large)] for number in range(large_count)]
    calls += [small[number % len(small)] for number in range(count - hostile_count - large_count)]
    random.Random(4).shuffle(calls)
    return calls


def growth(samples: list[int]) -> float:
    """Median of the last quarter of the samples, divided by that of the first."""
    quarter = len(samples) // 4
    return statistics.median(samples[-quarter:]) / statistics.median(samples[:quarter])


@pytest.mark.parametrize(
    ("count", "callers"), [(60, 8), pytest.param(2000, 32, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_loses_no_photo_when_the_worker_is_killed(
    start_service: StartService, small_photos: list[bytes], tmp_path: Path, count: int, callers: int
) -> None:
    service = start_service(FACE_MODEL="3", TMPDIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    service.wait_until_ready()
    caller = Caller(service.port)
    web = service.process.pid
    assert resident_memory(web) <= RESIDENT / 1024**2
    reckoned = ReckonedMemory.before_photos(service, caller)

    def expecting(photo: bytes) -> Call:
        alone = caller.post("/detect", caller.photo(photo))
        assert alone.status == 200
        return lambda: posted(caller, photo, 200, "an honest photo", alone.body)

    small_ones, large_ones = honest_photos(small_photos)
    sent = large_ones[: count * LARGE_IN_A_HUNDRED // 100]  # the answers to all take seconds
    small, large = [*map(expecting, small_ones)], [*map(expecting, sent)]
    calls = mixed(count, small, large, hostile_calls(caller))
    before = open_files(web)
    written_before = {process: bytes_written(process) for process in service.family()}
    with Killer(service, caller) as killer, ThreadPoolExecutor(callers) as pool:

        def call(number: int) -> str:
            if number == count // 10:
                killer.due.set()
            if number == count * 19 // 20:
                killer.enough.set()  # the last worker has photos, and shows what it keeps of them
            try:
                return calls[number]()
            except OSError as error:
                return repr(error)

        wrong = [fault for fault in pool.map(call, range(count)) if fault]
    assert wrong == []
    assert killer.kills >= (1 if count < 1000 else 4)
    assert service.process.poll() is None
    assert "it is refused" not in service.log

    # The start of a worker may change a folder: numba tests if its cache is writable. The photos were sent after it.
    assert killer.written.pop(web) <= sum(written_before.values())
    written = {process: count - written_before.get(process, 0) for process, count in killer.written.items()}
    assert set(written.values()) == {0}, written
    assert list(tmp_path.iterdir()) == []
    eventually("no more descriptors than before", lambda: open_files(web) <= before)
    if count >= 1000:
        assert growth(killer.web_memory) <= GROWTH, killer.web_memory
    worker = worker_of(service)
    peaks = [*killer.worker_peaks, status_number(worker, "VmHWM")]
    assert max(peaks) <= reckoned.peak, peaks
    eventually(
        f"a worker at rest of at most {reckoned.at_rest} KiB",
        lambda: status_number(worker, "VmRSS") <= reckoned.at_rest,
        RELEASE_SECONDS,
    )
    at_rest = status_number(worker, "VmRSS")
    assert caller.metric("face_worker_restarts_total") == killer.kills
    family = service.family()
    assert service.stop() == 0
    eventually("the end of every process", lambda: not any(map(is_running, family)))
    assert "Traceback" not in service.log
    print(
        f"{killer.kills} kills, web {min(killer.web_memory)} to {max(killer.web_memory)} KiB, "
        f"workers {peaks} KiB of {reckoned.peak}, the last one at rest {at_rest} KiB of {reckoned.at_rest}"
    )
