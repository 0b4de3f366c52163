"""Refusing new callers, where the system lets this account do it and where it does not."""

import socket

import pytest

from service.stopping import refuse_new_callers


class _Forbidding(socket.socket):
    def setsockopt(self, *_: object) -> None:
        raise PermissionError(1, "Operation not permitted")


def test_a_system_that_forbids_it_does_not_keep_the_service_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with _Forbidding() as one, _Forbidding() as another:
        refuse_new_callers([one, another])
    assert len(caplog.records) == 2
