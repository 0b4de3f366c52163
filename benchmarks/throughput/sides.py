"""Who takes turns: the library and dlib in a process, upstream's processes, the service, and any service by its URL."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection
from pathlib import Path
from types import MappingProxyType

from benchmarks.harness import http_calls as load
from benchmarks.harness import processes
from benchmarks.harness.closed_loop import Answer, Turn
from benchmarks.harness.running import serving
from benchmarks.throughput import with_dlib, with_library
from benchmarks.throughput.workers import Opener, Worker
from model_store.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS
from model_store.store import WeightStore

UPSTREAM_PROCESSES = 2
"""Upstream's way of working (GUNICORN_WORKERS), a photo each."""


@dataclass(frozen=True)
class Remote:
    """A service that runs somewhere, upstream's for one."""

    url: str
    key: str
    model: int
    """FACE_MODEL that it runs, which ours is compared with."""


@dataclass(frozen=True)
class Setting:
    """What the sides are opened with."""

    store: Path
    """The model store's root, with weights and graphs."""
    remote: Remote | None = None


@dataclass(frozen=True)
class Side:
    """One side, open and warm."""

    name: str
    run: Callable[[Sequence[bytes], int], Turn]
    """As `turn`."""
    processes: tuple[int, ...] = ()
    """Roots of the side's process trees; none if they are out of reach."""
    ready_after: float | None = None
    """Seconds from a service's start until it could answer a photo."""

    def turn(self, photos: Sequence[bytes], callers: int) -> Turn:
        """Recognise encoded photos, each once. Raises WorkerFailed."""
        before = self._cpu_seconds()
        turn = self.run(photos, callers)
        return replace(turn, cpu_seconds=self._cpu_seconds() - before) if self.processes else turn

    def peak_memory(self) -> float | None:
        """MiB of the side's process trees at their peaks since the last call; None if they are out of reach.

        Trees are added up as `processes.peak_memory` counts each.
        """
        try:
            peaks = [processes.peak_memory(process, forget=True) for process in self.processes]
        except ProcessLookupError:
            return None  # died: its turn says so
        return sum(peaks) if peaks else None

    def _cpu_seconds(self) -> float:
        return sum(processes.cpu_seconds(process) for process in self.processes)


@contextmanager
def _library(setting: Setting, model: int) -> Iterator[Side]:
    with _workers("library", 1, with_library.opened, str(setting.store), model) as (worker,):
        yield Side("library", worker.turn, (worker.number,))


@contextmanager
def _dlib(setting: Setting, model: int) -> Iterator[Side]:
    with _workers("dlib", 1, with_dlib.opened, _weights(setting.store), model, False) as (worker,):
        yield Side("dlib", worker.turn, (worker.number,))


@contextmanager
def _upstream(setting: Setting, model: int) -> Iterator[Side]:
    opening = (with_dlib.opened, _weights(setting.store), model, True)
    with _workers("upstream", UPSTREAM_PROCESSES, *opening) as workers:
        numbers = tuple(worker.number for worker in workers)
        yield Side("upstream", lambda photos, callers: shared(workers[:callers], photos), numbers)


@contextmanager
def _service(setting: Setting, model: int) -> Iterator[Side]:
    environment = {
        "FACE_MODEL": str(model),
        "FACE_STORE": str(setting.store.resolve()),
        "FACE_THREADS": "0",
        "FACE_LOG_LEVEL": "warning",
    }
    with serving(environment) as (service, client):
        key = client.headers["x-api-key"]
        with _workers("service", 1, load.opened, str(client.base_url), key) as (worker,):
            yield Side("service", worker.turn, (service.process.pid,), service.ready_after)


@contextmanager
def _remote(setting: Setting, model: int) -> Iterator[Side]:
    if setting.remote is None or setting.remote.model != model:
        raise ValueError(f"no remote service of model {model} was named")
    with _workers("remote", 1, load.opened, setting.remote.url, setting.remote.key) as (worker,):
        yield Side("remote", worker.turn)


SIDES: Mapping[str, Callable[[Setting, int], AbstractContextManager[Side]]] = MappingProxyType(
    {"library": _library, "dlib": _dlib, "upstream": _upstream, "service": _service, "remote": _remote}
)
"""Opens a side of a FACE_MODEL by its name. Raises WorkerFailed, ServiceDied, StoreError."""


def shared(workers: Sequence[Worker], photos: Sequence[bytes]) -> Turn:
    """A list of photos shared by processes: each takes its next one when it is done. Raises WorkerFailed."""
    waiting = deque(photos)
    answers: list[tuple[float, Answer]] = []
    busy: dict[connection.Connection, Worker] = {}
    start = time.perf_counter()

    def feed(worker: Worker) -> None:
        if waiting:
            worker.begin([waiting.popleft()], 1)
            busy[worker.line] = worker

    for worker in workers:
        feed(worker)
    while busy:
        for line in connection.wait(list(busy)):
            worker = busy.pop(line)  # type: ignore[call-overload]  # wait() gives what it was given
            answers.extend(worker.result().answers)
            feed(worker)
    return Turn(time.perf_counter() - start, tuple(answers))


@contextmanager
def _workers(name: str, number: int, opener: Opener, *arguments: object) -> Iterator[list[Worker]]:
    """So many alike, which open at the same time. Raises WorkerFailed."""
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(name, opener, *arguments))) for _ in range(number)]
        for worker in workers:
            worker.result()
        yield workers


def _weights(store: Path) -> dict[str, str]:
    """Paths of dlib's files. Raises StoreError."""
    weights = WeightStore(store)
    names = {"detector": CNN_DETECTOR, "landmarks": FIVE_POINTS, "network": DLIB_RESNET}
    return {part: str(weights.path(name)) for part, name in names.items()}
