"""Restarts beneath the app's workers: with socket activation, and behind the front of deploy/haproxy, none is lost."""

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

from benchmarks.harness.running import SERVE, free_port
from tests.calling import Caller
from tests.faults.conftest import PATIENCE
from tests.faults.front import front, needs_haproxy
from tests.faults.restarting import WORKERS, Manager, Workers, options, restart

if TYPE_CHECKING:
    from tests.conftest import StartService

SOME = 2
MANY = 20
TIMES = [SOME, pytest.param(MANY, marks=pytest.mark.slow)]
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def mixed(portrait: bytes) -> list[bytes]:
    """A photo that one packet or two carry, and one of more than 1 MiB, for which libcurl expects 100 Continue."""
    with Image.open(io.BytesIO(portrait)) as opened:
        large, small = io.BytesIO(), io.BytesIO()
        opened.convert("RGB").resize((720, 600)).save(large, "png", compress_level=0)
        opened.convert("RGB").resize((160, 200)).save(small, "jpeg")
    assert len(large.getvalue()) > MEBIBYTE
    return [small.getvalue(), large.getvalue()]


def of_port(port: int) -> Caller:
    return Caller(port, patience=PATIENCE)


@pytest.mark.parametrize("times", TIMES)
def test_socket_activation_loses_nothing(start_service: StartService, mixed: list[bytes], times: int) -> None:
    with Manager(start_service) as manager:
        before = options(manager.socket)
        with Workers(of_port(manager.port), mixed) as workers:
            running = restart(manager.start, signal.SIGTERM, times, workers)
        assert workers.lost == []
        assert workers.interim
        assert [len(answers) for answers in workers.bodies.values()] == [1, 1]
        assert running.stop() == 0
        assert options(manager.socket) == before


@pytest.mark.slow
def test_kill_9_with_socket_activation_loses_what_was_in_work(
    start_service: StartService, mixed: list[bytes]
) -> None:
    with Manager(start_service) as manager:
        with Workers(of_port(manager.port), mixed) as workers:
            running = restart(manager.start, signal.SIGKILL, MANY, workers)
        assert len(workers.lost) <= WORKERS * MANY
        assert running.stop() == 0


def test_connections_in_the_queue_are_left_to_the_next_service(
    start_service: StartService, mixed: list[bytes]
) -> None:
    """One that was accepted before its request came is answered by the service that accepted it."""
    small, _ = mixed
    with Manager(start_service) as manager:
        caller = of_port(manager.port)
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


def test_a_shared_socket_that_is_made_blocking_blocks_no_service(start_service: StartService) -> None:
    """The flag is shared with all processes that have the socket; accept(2) would wait for one more connection."""
    with Manager(start_service) as manager:
        running = manager.start()
        running.wait_until_ready()
        for _ in range(2):
            os.set_blocking(manager.socket.fileno(), True)
            assert of_port(manager.port).get("/health").status == 200
        assert running.stop() == 0
        assert os.get_blocking(manager.socket.fileno())


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="there is no systemd-socket-activate(1) here"
)
def test_systemd_itself_hands_its_socket_over(start_service: StartService, mixed: list[bytes]) -> None:
    """It starts the service at the first connection, which is that of the first photo."""
    port = free_port()
    settings = ("PATH", "FACE_MODEL", "API_KEY_FILE", "FACE_STORE")
    passed = [f"--setenv={name}" for name in settings]
    # Another PORT than the socket's: the service binds neither.
    command = ("systemd-socket-activate", f"--listen=127.0.0.1:{port}", *passed, *SERVE)
    running = start_service(command=command, FACE_MODEL="3")
    running.wait_for_log("Listening on")
    caller = of_port(port)
    assert caller.post("/detect", caller.photo(mixed[0])).status == 200
    with pytest.raises(ConnectionRefusedError):
        of_port(running.port).connect()
    assert running.stop() == 0
    assert f"listening on inherited 127.0.0.1 port {port}" in running.log


def test_what_is_no_listening_socket_is_refused_in_one_line(start_service: StartService) -> None:
    with Manager(start_service) as manager:
        manager.socket.close()
        manager.socket = socket.socket()
        refused = manager.start()
        assert refused.wait() == 1
        assert refused.log == "Inherited file descriptor 3 (LISTEN_FDS) is no listening TCP socket.\n"


@pytest.mark.slow
@needs_haproxy
def test_the_front_loses_nothing(start_service: StartService, mixed: list[bytes]) -> None:
    model = free_port()
    start = partial(start_service, FACE_MODEL="3", PORT=str(model))
    with front(f"127.0.0.1:{model}") as (port, _):
        with Workers(of_port(port), mixed) as workers:
            running = restart(start, signal.SIGTERM, MANY, workers)
        assert workers.lost == []
        assert workers.interim
        assert [len(answers) for answers in workers.bodies.values()] == [1, 1]
        assert running.stop() == 0


@pytest.mark.slow
@needs_haproxy
def test_kill_9_behind_the_front_loses_what_was_in_work(
    start_service: StartService, mixed: list[bytes]
) -> None:
    """And what a worker sends next, where the listening socket outlives the connections of the dying process."""
    model = free_port()
    start = partial(start_service, FACE_MODEL="3", PORT=str(model))
    with front(f"127.0.0.1:{model}") as (port, _):
        with Workers(of_port(port), mixed) as workers:
            running = restart(start, signal.SIGKILL, MANY, workers)
        assert len(workers.lost) <= 2 * WORKERS * MANY
        assert running.stop() == 0
