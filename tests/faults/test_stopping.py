"""Graceful shutdown under load."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from service.web.server.shutdown import ECHO_SECONDS
from tests.calling import Caller
from tests.faults.crowd import Crowd
from tests.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.services import StartService

CALLERS = 64
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.slow
def test_answers_every_accepted_connection_after_sigterm(
    service: Service, caller: Caller, small_photos: list[bytes]
) -> None:
    crowd = Crowd(caller, small_photos, CALLERS)
    crowd.start()
    # From here on connections open and close continuously.
    crowd.all_connected.wait()
    eventually("some answers", lambda: crowd.statuses.total() >= CALLERS // 4)
    assert service.stop() == 0, service.log
    crowd.end()
    assert crowd.failures == []
    assert set(crowd.statuses) == {200}
    assert crowd.statuses.total() >= CALLERS
    assert crowd.refused == CALLERS  # each caller's last connection
    assert "Traceback" not in service.log


def test_answers_connections_made_before_the_signal(
    service: Service, caller: Caller, portrait: bytes
) -> None:
    """Connections in the system's queue, or accepted before their first byte came."""
    # A stopped process accepts nothing: new connections wait in the system's queue.
    service.process.send_signal(signal.SIGSTOP)
    connections = [caller.connect() for _ in range(8)]
    service.process.send_signal(signal.SIGTERM)
    service.process.send_signal(signal.SIGCONT)
    service.wait_for_log("Shutting down")
    # At once: a connection that is silent for LAST_CALL seconds is closed.
    with ThreadPoolExecutor(len(connections)) as threads:
        replies = list(
            threads.map(
                lambda connection: caller.post("/detect", caller.photo(portrait), connection=connection),
                connections,
            )
        )
    assert [reply.status for reply in replies] == [200] * 8
    assert service.wait() == 0
    assert "Traceback" not in service.log


def test_answers_a_second_request_on_a_kept_connection(service: Service) -> None:
    """A reverse proxy keeps connections, and would not send a photo twice."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    for stopping in (False, True):
        if stopping:
            service.process.send_signal(signal.SIGSTOP)
        connection.request("GET", "/health")
        if stopping:
            service.process.send_signal(signal.SIGTERM)
            service.process.send_signal(signal.SIGCONT)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"ok")
    assert service.wait() == 0
    connection.close()


def test_cuts_no_connection_while_the_socket_closes(service: Service, caller: Caller) -> None:
    """Hundreds of connections per second while the listening socket closes: each is answered or refused.

    A connection between the last accept(2) and the close, microseconds later, would be cut; none of 99,114 was.
    """
    cut: list[OSError] = []

    def connect_until_refused() -> None:
        while True:
            try:
                connection = caller.connect()
            except ConnectionRefusedError:
                return
            try:
                assert caller.exchange(HEALTH, b"", connection=connection).status == 200
            except OSError as error:
                cut.append(error)

    threads = [threading.Thread(target=connect_until_refused) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert service.stop() == 0
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert cut == []


def test_ends_at_once_on_a_second_signal(start_service: StartService, portrait: bytes) -> None:
    service = start_service(FACE_MODEL="4", GUNICORN_WORKERS="1")
    service.wait_until_ready()

    caller = Caller(service.port)
    # A body that never ends; FACE_PATIENCE and FACE_GRACE are longer than this test.
    head, body = caller.form("/detect", caller.photo(portrait))
    with caller.connect() as half:
        half.sendall(head + body[:1000])
        assert caller.get("/health").status == 200
        service.process.send_signal(signal.SIGTERM)
        service.wait_for_log("Waiting for connections to close")
        time.sleep(ECHO_SECONDS)
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        assert service.wait() == 128 + signal.SIGTERM


def test_treats_two_signals_in_quick_succession_as_one(
    service: Service, caller: Caller, portrait: bytes
) -> None:
    """A terminal signals the whole process group, and make, a member of it, signals its child again."""
    head, body = caller.form("/detect", caller.photo(portrait))
    with caller.connect() as slow:
        slow.sendall(head + body[:1000])
        assert caller.get("/health").status == 200
        for _ in range(2):
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        service.wait_for_log("Waiting for connections to close")
        assert caller.exchange(body[1000:], b"", connection=slow).status == 200
    assert service.wait() == 0


def test_ends_despite_silent_connections(service: Service, caller: Caller) -> None:
    silent, half_a_head = caller.connect(), caller.connect()
    with silent, half_a_head:
        half_a_head.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        assert caller.get("/health").status == 200
        assert service.stop() == 0
        assert "Traceback" not in service.log


def test_gives_up_photos_after_the_grace_period(start_service: StartService, portrait: bytes) -> None:
    service = start_service(FACE_MODEL="4", FACE_GRACE="1")
    service.wait_until_ready()
    caller = Caller(service.port)
    head, body = caller.form("/detect", caller.photo(portrait))
    with caller.connect() as half:
        half.sendall(head + body[:1000])
        assert caller.get("/health").status == 200
        assert service.stop() == 0
    assert "timeout graceful shutdown exceeded" in service.log


@pytest.mark.slow
def test_kill_9_under_load_ends_every_connection(
    start_service: StartService, small_photos: list[bytes]
) -> None:
    """No caller hangs, and the next service starts on the same port."""
    service = start_service(FACE_MODEL="4")
    service.wait_until_ready()
    crowd = Crowd(Caller(service.port), small_photos, CALLERS)
    crowd.start()
    crowd.all_connected.wait()
    os.kill(service.process.pid, signal.SIGKILL)
    assert service.wait() == -signal.SIGKILL
    crowd.end()
    # Each connection ended or was refused; no partial answer passed for a whole one.
    assert len(crowd.failures) + crowd.refused == CALLERS
    assert all(isinstance(failure, ConnectionError) for failure in crowd.failures)
    assert set(crowd.statuses) <= {200}
    again = start_service(FACE_MODEL="4", PORT=str(service.port))
    again.wait_until_ready()
    fresh = replace(crowd.caller, port=again.port)
    assert fresh.post("/detect", fresh.photo(small_photos[0])).status == 200
    assert threading.active_count() < CALLERS
