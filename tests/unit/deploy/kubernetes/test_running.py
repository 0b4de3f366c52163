"""The service with the environment of a replica's pod: probes over a start, memory, and SIGTERM during a photo.

Of the pod's confinement: a read-only tree and no capability. Not its account, its cgroup and its seccomp profile.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes.running import SERVE
from service.settings import ADVERTISED_AREA
from tests.calling import Caller
from tests.faults.resizing import resized
from tests.processes import restricted_by
from tests.unit.deploy.kubernetes.pods import Pod
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.services import StartService

MEBIBYTE = 1024**2
READ_ONLY = (
    'mount -o remount,bind,ro / && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"'
)
CONFINED = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh")
SERVICE_LINKS = {
    "FACE_MODEL_SERVICE_HOST": "10.96.0.7",
    "FACE_MODEL_SERVICE_PORT": "5000",
    "FACE_MODEL_SERVICE_PORT_HTTP": "5000",
    "FACE_MODEL_PORT": "tcp://10.96.0.7:5000",
    "FACE_MODEL_PORT_5000_TCP": "tcp://10.96.0.7:5000",
    "FACE_MODEL_PORT_5000_TCP_ADDR": "10.96.0.7",
}
"""Variables that Kubernetes makes of a Service `face-model` in pods with service links."""


def status_of(caller: Caller, path: str) -> int:
    """Status of an answer; 0 without a listening service."""
    try:
        return caller.get(path).status
    except ConnectionError:
        return 0


@pytest.mark.slow
def test_a_replica_starts_computes_and_ends_with_the_pods_settings(
    start_service: StartService, portrait: bytes
) -> None:
    pod = Pod("cpu", "face-model-replicas")
    environment = {name: value for name, value in pod.environment.items() if name != "PORT"}
    confined = restricted_by(*CONFINED)
    service = start_service(command=(*confined, *SERVE), **environment, **SERVICE_LINKS)
    caller = Caller(service.port)
    probes = {
        name: pod.container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "readiness", "liveness")
    }
    seen: list[tuple[int, ...]] = []

    def ready() -> bool:
        assert service.process.poll() is None, service.log
        found = tuple(status_of(caller, path) for path in probes.values())
        if found not in seen:
            seen.append(found)
        return found == (200, 200, 200)

    eventually("all probes succeed", ready)
    assert (503, 503, 200) in seen, "alive, and not ready"

    largest = caller.photo(resized(portrait, ADVERTISED_AREA / 1e6))
    assert caller.post("/detect", largest).status == 200
    assert service.peak_memory() * MEBIBYTE < pod.memory("requests")

    with ThreadPoolExecutor(1) as threads:
        post = threads.submit(caller.post, "/detect", caller.photo(resized(portrait, 2)))
        eventually("a photo is in work", lambda: caller.metric("face_photos_places_granted") == 1)
        began = time.monotonic()
        assert service.stop() == 0
        assert post.result().status == 200
        assert time.monotonic() - began < pod.spec["terminationGracePeriodSeconds"] - pod.pause
    lines = [json.loads(line) for line in service.log.splitlines()]
    assert [line for line in lines if line.get("level") in ("ERROR", "CRITICAL")] == []
    assert sum("is no setting and is ignored" in str(line) for line in lines) == len(SERVICE_LINKS)
