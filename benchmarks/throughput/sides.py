"""Sides of the throughput part: library and dlib in one process, upstream's two, the service, a remote service."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection
from pathlib import Path
from types import MappingProxyType

from benchmarks.harness import http_calls
from benchmarks.harness.closed_loop import Response, Trial
from benchmarks.processes import process_tree
from benchmarks.processes.running import serving
from benchmarks.throughput import dlib_calls, library_calls
from benchmarks.throughput.workers import Opener, Worker
from model_store.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS
from model_store.store import WeightStore

UPSTREAM_PROCESSES = 2
"""Upstream's default (GUNICORN_WORKERS): each process computes one photo at a time."""


@dataclass(frozen=True)
class Remote:
    """Running service, for example upstream's."""

    url: str
    key: str
    model: int
    """FACE_MODEL of that service; our service runs the same model."""


@dataclass(frozen=True)
class SideOptions:
    """Model store and remote service with which sides are opened."""

    store: Path
    """The model store's root, with weights and graphs."""
    remote: Remote | None = None


@dataclass(frozen=True)
class Side:
    """Opened and warmed-up side."""

    name: str
    run: Callable[[Sequence[bytes], int], Trial]
    """Runs a closed loop over encoded photos with a number of callers."""
    processes: tuple[int, ...] = ()
    """Roots of the side's process trees; empty for a remote service."""
    ready_after: float | None = None
    """Seconds from a service's start until it was ready."""

    def trial(self, photos: Sequence[bytes], callers: int) -> Trial:
        """Send each encoded photo once, and measure the CPU time. Raises WorkerFailed."""
        before = self._cpu_seconds()
        trial = self.run(photos, callers)
        return replace(trial, cpu_seconds=self._cpu_seconds() - before) if self.processes else trial

    def peak_memory(self) -> float | None:
        """Peak memory in MiB since the last call, summed over the side's process trees; None for a remote service."""
        try:
            peaks = [process_tree.peak_memory(process, forget=True) for process in self.processes]
        except ProcessLookupError:
            return None  # its trial reports the death
        return sum(peaks) if peaks else None

    def _cpu_seconds(self) -> float:
        return sum(process_tree.cpu_seconds(process) for process in self.processes)


@contextmanager
def _library(options: SideOptions, model: int) -> Iterator[Side]:
    with _workers("library", 1, library_calls.library_call, str(options.store), model) as (worker,):
        yield Side("library", worker.trial, (worker.pid,))


@contextmanager
def _dlib(options: SideOptions, model: int) -> Iterator[Side]:
    with _workers("dlib", 1, dlib_calls.dlib_call, _weights(options.store), model, False) as (worker,):
        yield Side("dlib", worker.trial, (worker.pid,))


@contextmanager
def _upstream(options: SideOptions, model: int) -> Iterator[Side]:
    opening = (dlib_calls.dlib_call, _weights(options.store), model, True)
    with _workers("upstream", UPSTREAM_PROCESSES, *opening) as workers:
        pids = tuple(worker.pid for worker in workers)
        yield Side("upstream", lambda photos, callers: shared(workers[:callers], photos), pids)


@contextmanager
def _service(options: SideOptions, model: int) -> Iterator[Side]:
    environment = {
        "FACE_MODEL": str(model),
        "FACE_STORE": str(options.store.resolve()),
        "FACE_THREADS": "0",
        "FACE_LOG_LEVEL": "warning",
    }
    with serving(environment) as (service, client):
        key = client.headers["x-api-key"]
        with _workers("service", 1, http_calls.service_call, str(client.base_url), key) as (worker,):
            yield Side("service", worker.trial, (service.process.pid,), service.ready_after)


@contextmanager
def _remote(options: SideOptions, model: int) -> Iterator[Side]:
    if options.remote is None or options.remote.model != model:
        raise ValueError(f"no remote service of model {model} is configured")
    with _workers("remote", 1, http_calls.service_call, options.remote.url, options.remote.key) as (worker,):
        yield Side("remote", worker.trial)


SIDES: Mapping[str, Callable[[SideOptions, int], AbstractContextManager[Side]]] = MappingProxyType(
    {"library": _library, "dlib": _dlib, "upstream": _upstream, "service": _service, "remote": _remote}
)
"""Context managers that open a side, by side name, for a FACE_MODEL. They raise WorkerFailed, ServiceDied or
StoreError."""


def shared(workers: Sequence[Worker], photos: Sequence[bytes]) -> Trial:
    """Trial of several processes on one list of photos: each takes its next photo when idle. Raises WorkerFailed."""
    waiting = deque(photos)
    responses: list[tuple[float, Response]] = []
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
            worker = busy.pop(line)  # type: ignore[call-overload]  # wait() returns the objects it was given
            responses.extend(worker.result().responses)
            feed(worker)
    return Trial(time.perf_counter() - start, tuple(responses))


@contextmanager
def _workers(name: str, number: int, opener: Opener, *arguments: object) -> Iterator[list[Worker]]:
    """Equal workers, opened concurrently. Raises WorkerFailed."""
    with ExitStack() as stack:
        workers = [stack.enter_context(closing(Worker(name, opener, *arguments))) for _ in range(number)]
        for worker in workers:
            worker.result()
        yield workers


def _weights(store: Path) -> dict[str, str]:
    """Paths of dlib's weights. Raises StoreError."""
    weights = WeightStore(store)
    names = {"detector": CNN_DETECTOR, "landmarks": FIVE_POINTS, "network": DLIB_RESNET}
    return {part: str(weights.path(name)) for part, name in names.items()}
