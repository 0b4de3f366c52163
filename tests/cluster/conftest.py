"""Fixtures of the tests on a local cluster of Ray: the answers of one process, the cluster, and nginx before it."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from benchmarks.processes.nginx import NGINX, Front, front
from benchmarks.processes.running import http_client, serving
from benchmarks.studies.ray_cluster import scenarios
from benchmarks.studies.ray_cluster.cluster import Cluster, cluster
from benchmarks.studies.ray_cluster.scenarios import ONE_CORE, REPLICAS


@dataclass(frozen=True)
class Running:
    """A cluster with replicas that are ready, behind nginx."""

    cluster: Cluster
    environment: dict[str, str]
    nginx: Front
    client: httpx.Client
    """Client of nginx."""
    key: str
    sent: list[bytes]
    expected: list[bytes]
    """Answers of one process."""


@pytest.fixture(scope="session")
def running(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A head node and a node for each replica; skips the test without Ray or nginx."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed here: make test-cluster has an environment with it")
    if NGINX is None:
        pytest.skip("nginx is not installed")
    key, sent = secrets.token_hex(16), scenarios.photos()
    settings = {**ONE_CORE, "FACE_STORE": str(store.resolve())}
    with serving(settings) as (_, single):
        expected = scenarios.answers(single, sent)
    environment = {**settings, "API_KEY": key}
    with cluster(REPLICAS) as started:
        started.deploy(environment, REPLICAS)
        started.wait_until_running(REPLICAS)
        with (
            front([node.proxy_port for node in started.nodes], tmp_path_factory.mktemp("nginx")) as nginx,
            http_client(f"http://127.0.0.1:{nginx.port}", key) as client,
        ):
            yield Running(started, environment, nginx, client, key, sent, expected)
