"""Shares of replicas, and the lock that lets one of them at a time be away."""

import os
import signal
import socket
from dataclasses import dataclass, field
from typing import cast

import pytest

from benchmarks.studies.replicas import fleet
from benchmarks.studies.replicas.fleet import Fleet, Replica, share
from service.settings import MINIMUM_MEMORY

GIBIBYTE = 2**30


@pytest.mark.parametrize(
    ("replicas", "threads", "memory"),
    [(1, "4", 8 * GIBIBYTE), (2, "2", 4 * GIBIBYTE), (8, "1", GIBIBYTE), (64, "1", MINIMUM_MEMORY)],
)
def test_replicas_share_the_machine(
    monkeypatch: pytest.MonkeyPatch, replicas: int, threads: str, memory: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(fleet, "memory", lambda _: 8 * GIBIBYTE)
    assert share(replicas) == {"FACE_THREADS": threads, "FACE_MEMORY": str(memory)}


@dataclass
class Stub:
    """A replica that records its calls."""

    status: int = 0
    held: socket.socket | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def service(self) -> "Stub":
        return self

    def end(self, number: signal.Signals) -> int:
        self.calls.append(number.name)
        return self.status

    def start(self) -> None:
        self.calls.append("start")

    def wait_until_ready(self) -> None:
        self.calls.append("ready")


def test_an_update_replaces_each_replica_and_reports_a_bad_end() -> None:
    stubs = [Stub(), Stub(status=1)]
    updated = Fleet([cast(Replica, stub) for stub in stubs])
    updated.update()
    assert [stub.calls for stub in stubs] == [["SIGTERM", "start", "ready"]] * 2
    assert updated.updates == 2
    assert updated.failed == ["replica 2 ended with status 1"]
