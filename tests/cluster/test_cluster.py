"""A local cluster of Ray behind nginx, which loses no photo. The last test kills a node, for good."""

import json
from collections.abc import Callable

import httpx
import pytest

from benchmarks.processes.running import http_client
from benchmarks.studies.ray_cluster import scenarios
from benchmarks.studies.ray_cluster.cluster import Cluster
from benchmarks.studies.ray_cluster.scenarios import REPLICAS
from tests.cluster.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

CALLS = 120


def test_answers_are_those_of_one_process_in_each_byte(running: Running) -> None:
    assert scenarios.answers(running.client, running.sent) == running.expected


def test_answers_of_a_proxy_of_ray_are_the_same(running: Running) -> None:
    with http_client(f"http://127.0.0.1:{running.cluster.nodes[-1].proxy_port}", running.key) as proxy:
        assert scenarios.answers(proxy, running.sent[:5]) == running.expected[:5]


def test_a_body_in_chunks_and_a_large_one_reach_the_service(running: Running) -> None:
    """Ray's proxy has no limit of its own, and passes chunks on: the service's limit answers."""
    with http_client(f"http://127.0.0.1:{running.cluster.nodes[0].proxy_port}", running.key) as proxy:
        chunks = proxy.post(
            "/detect", content=iter([b"a" * 1024] * 4), headers={"content-type": "text/plain"}
        )
        large = proxy.post("/detect", files={"file": ("a", bytes(129 * 1024**2))})
    assert chunks.status_code == httpx.codes.BAD_REQUEST
    assert large.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert "FACE_MAXIMUM_UPLOAD" in large.text


def lost(running: Running, name: str, fault: Callable[[Cluster], object]) -> list[str]:
    """Calls with another answer than 200 while a fault happens; fails if an answer differs."""
    running.cluster.wait_until_running(REPLICAS)
    expected = [json.loads(answer) for answer in running.expected]
    result = scenarios.under_load(
        name,
        running.client,
        running.nginx,
        running.sent,
        expected,
        CALLS,
        lambda: fault(running.cluster),
    )
    assert result.calls == CALLS
    assert not result.differing
    return result.lost


def test_a_killed_replica_loses_no_photo_and_is_replaced(running: Running) -> None:
    before = set(running.cluster.replicas())
    assert not lost(running, "replica killed", scenarios.kill_replica)
    running.cluster.wait_until_running(REPLICAS)
    assert len(before & set(running.cluster.replicas())) == REPLICAS - 1


def test_a_rolling_update_loses_no_photo(running: Running) -> None:
    before = set(running.cluster.replicas())
    assert not lost(running, "update", lambda cluster: scenarios.update(cluster, running.environment))
    assert before.isdisjoint(running.cluster.replicas())


def test_a_killed_node_loses_no_photo(running: Running) -> None:
    assert not lost(running, "node killed", scenarios.kill_node)
    assert len(running.cluster.replicas()) == REPLICAS - 1
