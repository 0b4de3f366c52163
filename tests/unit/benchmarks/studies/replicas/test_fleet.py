"""Shares of replicas, and the lock that lets one of them at a time be away."""

import os
import signal
import socket
import time
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
class Away:
    """Number of replicas that are away now, and the most at a time."""

    now: int = 0
    most: int = 0

    def change(self, by: int) -> None:
        self.now += by
        self.most = max(self.most, self.now)


@dataclass
class Stub:
    """A replica that records its calls."""

    status: int = 0
    away: Away = field(default_factory=Away)
    held: socket.socket | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def service(self) -> "Stub":
        return self

    def end(self, number: signal.Signals) -> int:
        self.calls.append(number.name)
        self.away.change(1)
        time.sleep(0.001)
        return self.status

    def start(self) -> None:
        self.calls.append("start")

    def wait_until_ready(self) -> None:
        self.calls.append("ready")
        self.away.change(-1)


def test_an_update_replaces_each_replica_and_reports_a_bad_end() -> None:
    stubs = [Stub(), Stub(status=1)]
    updated = Fleet([cast(Replica, stub) for stub in stubs])
    updated.update()
    assert [stub.calls for stub in stubs] == [["SIGTERM", "start", "ready"]] * 2
    assert updated.updates == 2
    assert updated.failed == ["replica 2 ended with status 1"]


def test_one_replica_at_a_time_is_killed_or_updated() -> None:
    away = Away()
    stubs = [Stub(away=away), Stub(away=away)]
    running = Fleet([cast(Replica, stub) for stub in stubs])
    deadline = time.monotonic() + 60
    with running.killing(0.001):
        while running.kills < 10 and time.monotonic() < deadline:
            running.update()
    assert running.kills >= 10
    assert (away.now, away.most) == (0, 1)
    for stub in stubs:
        assert {"SIGKILL", "SIGTERM"} <= set(stub.calls)
