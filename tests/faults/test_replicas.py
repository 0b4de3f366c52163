"""Replicas behind nginx with the rules of deploy/nginx: killed, updated and poisoned while photos arrive."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from benchmarks.processes.nginx import NGINX, Front, bodies_folder, front
from benchmarks.processes.running import Service, free_port
from benchmarks.studies.replicas.uploads import filled_up
from tests.answers import assert_same_answer
from tests.calling import Caller
from tests.disk_writes import disk_writes
from tests.faults.planted_worker import CRASHING_WIDTH
from tests.faults.resizing import resized
from tests.faults.restarts import Jobs, ServiceManager
from tests.faults.stub_replicas import RULES

if TYPE_CHECKING:
    from tests.services import StartService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx(8) is not installed"),
]

MEGABYTES = (0.05, 0.3, 1.2, 8.0)
"""Sizes of the uploads; libcurl announces those above 1 MiB."""
ROUNDS = 2
PHOTOS = 8
"""Number of answered photos between two faults."""


class Fleet:
    """Two replicas of model 3 on fixed ports."""

    def __init__(self, start_service: StartService) -> None:
        self.ports = [free_port(), free_port()]
        self._start = start_service
        self.services: list[Service] = [self.start(0), self.start(1)]

    def start(self, number: int) -> Service:
        return self._start(FACE_MODEL="3", FACE_THREADS="1", FACE_MEMORY="2GiB", PORT=str(self.ports[number]))

    def replace(self, number: int, end: signal.Signals) -> int:
        """End a replica by a signal, and return its exit status once the next one on its port is ready."""
        os.kill(self.services[number].process.pid, end)
        status = self.services[number].wait()
        self.services[number] = self.start(number)
        self.services[number].wait_until_ready()
        return status


@pytest.fixture(scope="module")
def fleet(start_service: StartService) -> Iterator[Fleet]:
    replicas = Fleet(start_service)
    yield replicas
    for service in replicas.services:
        service.close()


@pytest.fixture(scope="module")
def uploads(portrait: bytes) -> list[bytes]:
    photo = resized(portrait, 0.1)
    return [filled_up(photo, megabytes, seed=number) for number, megabytes in enumerate(MEGABYTES)]


def answers(caller: Caller, photos: Sequence[bytes]) -> list[Any]:
    """Answers to the photos, each alone."""
    replies = [caller.post("/detect", caller.photo(photo)) for photo in photos]
    assert [reply.status for reply in replies] == [200] * len(photos)
    return [reply.json for reply in replies]


@contextmanager
def jobs_of(nginx: Front, photos: Sequence[bytes]) -> Iterator[Jobs]:
    with Jobs(Caller(nginx.port), photos) as jobs:
        jobs.wait_for(PHOTOS)
        yield jobs
        jobs.wait_for(PHOTOS)


def test_kills_and_a_rolling_update_lose_nothing(fleet: Fleet, uploads: list[bytes]) -> None:
    """nginx writes to no disk: its own files are on a tmpfs here too, its log among them."""
    with bodies_folder() as folder, front(fleet.ports, folder) as nginx:
        for service in fleet.services:
            service.wait_until_ready()
        alone = answers(Caller(fleet.ports[0]), uploads)
        before = disk_writes(nginx.process.pid)
        with jobs_of(nginx, uploads) as jobs:
            for number in (0, 1):
                assert fleet.replace(number, signal.SIGKILL) == -signal.SIGKILL
            for number in (0, 1):
                assert fleet.replace(number, signal.SIGTERM) == 0
        assert disk_writes(nginx.process.pid) == before
        failed = nginx.failed_attempts
    assert jobs.lost == []
    assert failed, "no photo had to be sent again"
    assert jobs.interim
    for index, bodies in jobs.bodies.items():
        for body in bodies:
            assert_same_answer(json.loads(body), alone[index])


def test_without_the_rule_a_kill_loses_photos(fleet: Fleet, uploads: list[bytes], tmp_path: Path) -> None:
    """Shows that the test above can fail."""
    rules, replaced = re.subn(
        r"^ *proxy_next_upstream [^;]*;", "proxy_next_upstream off;", RULES, flags=re.MULTILINE
    )
    rules = rules.replace("error_page 502 504 = @any_replica;", "")
    assert replaced == 2
    for service in fleet.services:
        service.wait_until_ready()
    with front(fleet.ports, tmp_path, rules=rules) as nginx, jobs_of(nginx, uploads) as jobs:
        fleet.replace(0, signal.SIGKILL)
    assert jobs.lost


def test_a_reload_of_nginx_loses_nothing(fleet: Fleet, uploads: list[bytes], tmp_path: Path) -> None:
    with front(fleet.ports, tmp_path) as nginx:
        for service in fleet.services:
            service.wait_until_ready()
        with jobs_of(nginx, uploads) as jobs:
            for _ in range(ROUNDS):
                nginx.process.send_signal(signal.SIGHUP)
                jobs.wait_for(PHOTOS)
    assert jobs.lost == []


def test_with_held_ports_all_replicas_may_be_away(
    start_service: StartService, uploads: list[bytes], tmp_path: Path
) -> None:
    """Under systemd's sockets, connections wait in the kernel's queues until a replica is back."""
    with ServiceManager(start_service) as one, ServiceManager(start_service) as other:
        services = [manager.start(FACE_THREADS="1") for manager in (one, other)]
        for service in services:
            service.wait_until_ready()
        with front([one.port, other.port], tmp_path) as nginx, jobs_of(nginx, uploads) as jobs:
            assert [service.stop() for service in services] == [0, 0]
            answered = jobs.answered
            services = [manager.start(FACE_THREADS="1") for manager in (one, other)]
            services[0].wait_until_ready()
        assert jobs.lost == []
        assert jobs.answered >= answered + PHOTOS
        assert [service.stop() for service in services] == [0, 0]


def test_a_photo_that_kills_the_worker_stays_at_one_replica(
    start_service: StartService, small_photos: list[bytes], tmp_path: Path
) -> None:
    """It is refused there with 415, and the second replica's worker lives on."""
    command = (sys.executable, "-m", "tests.faults.planted_worker", "photo")
    with (
        closing(start_service(command=command, FACE_MODEL="3")) as one,
        closing(start_service(command=command, FACE_MODEL="3")) as other,
    ):
        for service in (one, other):
            service.wait_until_ready()
        file = io.BytesIO()
        Image.new("RGB", (CRASHING_WIDTH, 200)).save(file, "PNG")
        with front([one.port, other.port], tmp_path) as nginx:
            caller = Caller(nginx.port)
            assert caller.post("/detect", caller.photo(file.getvalue())).status == 415
            assert caller.post("/detect", caller.photo(small_photos[0])).status == 200
        restarts = sorted(
            Caller(service.port).metric("face_worker_restarts_total") for service in (one, other)
        )
        assert restarts == [0, 2]
