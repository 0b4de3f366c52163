"""Work that is repeated beside the calls of a study."""

import threading

import pytest

from benchmarks.processes.running import ServiceDied
from benchmarks.studies.replicas.repeated import repeated


def test_repeated_work_that_fails_is_an_error_at_the_end() -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ServiceDied("no replica")

    with pytest.raises(ServiceDied, match="no replica"), repeated(fail, 0.001):
        assert failed.wait(60)


def test_an_error_of_the_calls_is_the_one_that_is_raised() -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ServiceDied("no replica")

    def calls() -> None:
        with repeated(fail, 0.001):
            assert failed.wait(60)
            raise ValueError("of the calls")

    with pytest.raises(ValueError, match="of the calls"):
        calls()
