"""Replicas with a share of the CPU each, and a round of calls to nginx before some of them."""

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.harness.http_calls import post
from benchmarks.processes import process_tree
from benchmarks.processes.cpu_shares import Share, shares
from benchmarks.processes.machine_load import LoadMeter
from benchmarks.processes.nginx import front
from benchmarks.processes.running import SERVE, Service, http_client, with_settings

CALLERS = 4
"""Callers for each replica: one photo is computed, and one is decoded. The others make up for an uneven division."""
RAMP = 3.0
"""Seconds of a round that are not counted: the queues fill."""
MEMORY = "1GiB"
"""FACE_MEMORY of a replica: its share, since by default each would reckon with half of the machine."""


class Round(NamedTuple):
    """One round of an experiment."""

    rate: float
    """Photos a second."""
    failed: int
    used: float
    """Cores that all replicas used."""
    front_seconds: float
    """CPU time of nginx for a photo."""
    others: float
    """Cores that other processes used."""


class Replicas(NamedTuple):
    """Running replicas with one key."""

    services: Sequence[Service]
    shares: Sequence[Share]
    key: str


@contextmanager
def running_replicas(number: int, cores: float, model: int) -> Iterator[Replicas]:
    """Replicas with a share of a core each, ready. Raises ServiceDied."""
    key = secrets.token_hex(16)
    environment = with_settings({"FACE_MODEL": str(model), "FACE_MEMORY": MEMORY}, key)
    with shares(number) as given:
        services: list[Service] = []
        try:
            for share in given:
                share.set(cores)
                services.append(Service(environment, share.command(SERVE)))
            for service in services:
                service.wait_until_ready()
            yield Replicas(services, given, key)
        finally:
            for service in services:
                service.close()


def measured(running: Replicas, number: int, photos: Sequence[bytes], seconds: float) -> Round:
    """One round: callers send photos to nginx before the first `number` replicas for this time."""
    services = running.services[:number]
    with (
        tempfile.TemporaryDirectory() as folder,
        front([service.port for service in services], Path(folder)) as nginx,
        http_client(f"http://127.0.0.1:{nginx.port}", running.key) as client,
        ThreadPoolExecutor(CALLERS * number) as pool,
    ):
        end = time.monotonic() + RAMP + seconds
        calling = [pool.submit(_call, client, photos, index, end) for index in range(CALLERS * number)]
        time.sleep(RAMP)
        load, before, start = LoadMeter(), _cpu_seconds(services, nginx.process.pid), time.monotonic()
        time.sleep(seconds)
        used = [
            now - then for now, then in zip(_cpu_seconds(services, nginx.process.pid), before, strict=True)
        ]
        stop, others = time.monotonic(), load.read().others
        calls = [call for caller in calling for call in caller.result()]
    answered = sum(start <= moment < stop for moment, succeeded in calls if succeeded)
    failed = sum(not succeeded for _, succeeded in calls)
    duration = stop - start
    return Round(answered / duration, failed, used[0] / duration, used[1] / max(answered, 1), others)


def _call(client: httpx.Client, photos: Sequence[bytes], first: int, end: float) -> list[tuple[float, bool]]:
    """Send photos one after the other until the end; returns the time of each answer, and whether it is 200."""
    calls: list[tuple[float, bool]] = []
    while time.monotonic() < end:
        try:
            succeeded = post(client, photos[(first + len(calls)) % len(photos)]).status_code == httpx.codes.OK
        except httpx.TransportError:
            succeeded = False
        calls.append((time.monotonic(), succeeded))
    return calls


def _cpu_seconds(services: Sequence[Service], nginx: int) -> tuple[float, float]:
    """CPU time of the replicas, and of nginx."""
    replicas = sum(process_tree.cpu_seconds(service.process.pid) for service in services)
    return replicas, process_tree.cpu_seconds(nginx)
