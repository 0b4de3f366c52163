"""The tests of plain connections that write and read raw HTTP, over TLS."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from service.web.connections import acceptor
from tests import certificates
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.web.connections import (
    test_acceptor,
    test_half_closed,
    test_lingering,
    test_slow_readers,
)
from tests.unit.service.web.uploads import test_slow_callers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.certificates import Made
    from tests.unit.service.conftest import Server

large_answers = test_slow_readers.large_answers

test_keeps_busy = test_acceptor.test_keeps_busy_connections_while_others_wait_in_the_backlog

test_all_before_a_fin = test_half_closed.test_answers_all_requests_before_a_fin
test_a_body_cut_off = test_half_closed.test_rejects_a_body_that_a_fin_cuts_off
test_half_closed_without_a_request = test_half_closed.test_closes_a_half_closed_connection_without_a_request
test_kept_after_a_fin = test_half_closed.test_closes_a_kept_connection_after_a_fin
test_a_caller_that_is_gone = test_half_closed.test_removes_a_caller_that_is_gone_from_the_queue
test_a_fin_before_100_continue = test_half_closed.test_answers_400_to_a_fin_before_100_continue

test_lingers = test_lingering.test_answers_before_a_body_that_is_sent_without_waiting
test_lingers_in_a_chunked_body = test_lingering.test_answers_413_within_a_chunked_body
test_lingers_without_100_continue = test_lingering.test_answers_without_100_continue
test_bounds_of_lingering = test_lingering.test_bounds_bytes_silence_and_time

test_unread_answers = test_slow_readers.test_aborts_a_connection_whose_answers_are_not_read
test_unread_answers_at_shutdown = test_slow_readers.test_unread_answers_do_not_delay_the_shutdown
test_unsent_answers = test_slow_readers.test_evicts_no_connection_with_an_unsent_answer
test_slowly_read_answers = test_slow_readers.test_sends_a_slowly_read_answer_completely

test_time_in_the_queue = test_slow_callers.test_time_in_the_queue_does_not_count_as_stalled
test_slow_uploads = test_slow_callers.test_accepts_an_upload_just_above_the_minimum_rate
test_uploads_by_bytes = test_slow_callers.test_reads_a_chunked_upload_byte_by_byte


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serving(serving: Server, made: Made) -> Server:
    @contextmanager
    def serve(**values: object) -> Iterator[int]:
        with serving(**made.settings, **values) as port:
            yield port

    return serve


@pytest.fixture(autouse=True)
def over_tls(made: Made, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Replaces the plain connections of the imported tests."""
    context = certificates.trusting(made)

    def connect(port: int) -> ssl.SSLSocket:
        return certificates.connect(port, context, PATIENCE)

    def connect_with_a_small_buffer(port: int) -> ssl.SSLSocket:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, test_slow_readers.SMALL_BUFFER)
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", port))
        return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)

    def pipeline(port: int) -> ssl.SSLSocket:
        """A caller that reads no answers."""
        caller = connect_with_a_small_buffer(port)
        caller.settimeout(1)
        with suppress(TimeoutError):
            for _ in range(20):
                caller.sendall(test_slow_readers.METRICS * 1000)
        caller.settimeout(PATIENCE)
        return caller

    for module in (
        test_acceptor,
        test_half_closed,
        test_lingering,
        test_slow_readers,
        test_slow_callers,
    ):
        monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(test_slow_readers, "_connect", connect_with_a_small_buffer)
    monkeypatch.setattr(test_slow_readers, "_pipeline", pipeline)
    if request.function.__module__ == test_acceptor.__name__:
        monkeypatch.setattr(acceptor, "_descriptors_for_connections", lambda _: test_acceptor.MOST)
        monkeypatch.setattr(acceptor, "NEW_SECONDS", 0.2)
