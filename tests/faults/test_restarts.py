"""Restarts under load lose no photo, with socket activation and behind the reverse proxy of deploy/haproxy."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from benchmarks.processes.running import SERVE, free_port
from tests.calling import Caller
from tests.faults.front import front, needs_haproxy
from tests.faults.restarts import JOBS, Jobs, ServiceManager, options, restart

if TYPE_CHECKING:
    from tests.services import StartService

MANY = 20
TIMES = [2, pytest.param(MANY, marks=pytest.mark.slow)]
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def mixed(portrait: bytes) -> list[bytes]:
    """A photo of one or two packets, and one of more than 1 MiB, for which libcurl expects 100 Continue."""
    with Image.open(io.BytesIO(portrait)) as opened:
        large, small = io.BytesIO(), io.BytesIO()
        opened.convert("RGB").resize((720, 600)).save(large, "png", compress_level=0)
        opened.convert("RGB").resize((160, 200)).save(small, "jpeg")
    assert len(large.getvalue()) > MEBIBYTE
    return [small.getvalue(), large.getvalue()]


@pytest.mark.parametrize("times", TIMES)
def test_loses_nothing_with_socket_activation(
    start_service: StartService, mixed: list[bytes], times: int
) -> None:
    with ServiceManager(start_service) as manager:
        before = options(manager.socket)
        with Jobs(Caller(manager.port), mixed) as jobs:
            running = restart(manager.start, signal.SIGTERM, times, jobs)
        assert jobs.lost == []
        assert jobs.interim
        assert [len(answers) for answers in jobs.bodies.values()] == [1, 1]
        assert running.stop() == 0
        assert options(manager.socket) == before


@pytest.mark.slow
def test_kill_9_with_socket_activation_loses_only_photos_in_flight(
    start_service: StartService, mixed: list[bytes]
) -> None:
    with ServiceManager(start_service) as manager:
        with Jobs(Caller(manager.port), mixed) as jobs:
            running = restart(manager.start, signal.SIGKILL, MANY, jobs)
        assert len(jobs.lost) <= JOBS * MANY
        assert running.stop() == 0


def test_leaves_connections_in_the_queue_to_the_next_service(
    start_service: StartService, mixed: list[bytes]
) -> None:
    """A connection that was accepted before its request arrived is answered by the service that accepted it."""
    small, _ = mixed
    with ServiceManager(start_service) as manager:
        caller = Caller(manager.port)
        first = manager.start()
        first.wait_until_ready()
        accepted = caller.connect()
        assert caller.get("/health").status == 200  # a later one, so `accepted` has been accepted
        first.process.send_signal(signal.SIGTERM)
        first.wait_for_log("Shutting down")
        queued = caller.connect()
        head, body = caller.form("/detect", caller.photo(small))
        queued.sendall(head)
        assert caller.post("/detect", caller.photo(small), connection=accepted).status == 200
        assert first.wait() == 0
        second = manager.start()
        assert caller.exchange(body, b"", connection=queued).status == 200
        assert second.stop() == 0


def test_works_with_a_shared_socket_in_blocking_mode(start_service: StartService) -> None:
    """All processes that hold the socket share the flag; accept(2) would wait for one more connection."""
    with ServiceManager(start_service) as manager:
        running = manager.start()
        running.wait_until_ready()
        for _ in range(2):
            os.set_blocking(manager.socket.fileno(), True)
            assert Caller(manager.port).get("/health").status == 200
        assert running.stop() == 0
        assert os.get_blocking(manager.socket.fileno())


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate(1) is not installed"
)
@pytest.mark.parametrize("network", ["shared", "private"])
def test_serves_a_socket_of_systemd(start_service: StartService, mixed: list[bytes], network: str) -> None:
    """Systemd starts the service at the first connection, which is that of the first photo.

    In a network namespace of its own, as with PrivateNetwork=yes, the service has this socket alone.
    """
    if network == "private" and (os.geteuid() != 0 or shutil.which("unshare") is None):
        pytest.skip("a network namespace needs root and unshare(1)")
    confined = ("unshare", "--net", "--") if network == "private" else ()
    port = free_port()
    settings = ("PATH", "FACE_MODEL", "API_KEY_FILE", "FACE_STORE")
    passed = [f"--setenv={name}" for name in settings]
    # PORT differs from the socket's port: the service binds neither.
    command = ("systemd-socket-activate", f"--listen=127.0.0.1:{port}", *passed, *confined, *SERVE)
    running = start_service(command=command, FACE_MODEL="3")
    running.wait_for_log("Listening on")
    caller = Caller(port)
    assert caller.post("/detect", caller.photo(mixed[0])).status == 200
    with pytest.raises(ConnectionRefusedError):
        Caller(running.port).connect()
    assert running.stop() == 0
    assert f"listening on inherited 127.0.0.1 port {port}" in running.log


def test_rejects_a_socket_that_does_not_listen(start_service: StartService) -> None:
    with ServiceManager(start_service) as manager:
        manager.socket.close()
        manager.socket = socket.socket()
        refused = manager.start()
        assert refused.wait() == 1
        assert refused.log == "Inherited file descriptor 3 (LISTEN_FDS) is no listening TCP socket.\n"


@pytest.mark.slow
@needs_haproxy
def test_loses_nothing_behind_the_reverse_proxy(start_service: StartService, mixed: list[bytes]) -> None:
    model = free_port()
    start = partial(start_service, FACE_MODEL="3", PORT=str(model))
    with front(f"127.0.0.1:{model}") as (port, _):
        with Jobs(Caller(port), mixed) as jobs:
            running = restart(start, signal.SIGTERM, MANY, jobs)
        assert jobs.lost == []
        assert jobs.interim
        assert [len(answers) for answers in jobs.bodies.values()] == [1, 1]
        assert running.stop() == 0


@pytest.mark.slow
@needs_haproxy
def test_kill_9_behind_the_reverse_proxy_loses_only_photos_in_flight(
    start_service: StartService, mixed: list[bytes]
) -> None:
    """And the next photo of a job, if the listening socket outlives the connections of the dying process."""
    model = free_port()
    start = partial(start_service, FACE_MODEL="3", PORT=str(model))
    with front(f"127.0.0.1:{model}") as (port, _):
        with Jobs(Caller(port), mixed) as jobs:
            running = restart(start, signal.SIGKILL, MANY, jobs)
        assert len(jobs.lost) <= 2 * JOBS * MANY
        assert running.stop() == 0
