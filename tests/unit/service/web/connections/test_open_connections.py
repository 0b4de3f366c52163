"""Eviction of idle connections, oldest first."""

import pytest

from service.web.connections import open_connections
from service.web.connections.open_connections import OpenConnections


class _Connection:
    def __init__(self) -> None:
        self.evicted = False

    def evict(self) -> None:
        self.evicted = True


def _idle(registry: OpenConnections, count: int) -> list[_Connection]:
    made = [_Connection() for _ in range(count)]
    for connection in made:
        registry.opened()
        registry.idle(connection)
    return made


def test_evicts_the_oldest_idle_connections_and_no_busy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_connections, "MAXIMUM_IDLE", 3)
    registry = OpenConnections(lambda: 0.0)
    busy, first, second = _idle(registry, 3)
    registry.busy(busy)
    (third,) = _idle(registry, 1)
    assert not any(one.evicted for one in (busy, first, second, third))
    registry.idle(first)  # answered again, so it is the newest
    _idle(registry, 1)
    assert [one.evicted for one in (busy, first, second, third)] == [False, False, True, False]
    registry.idle(busy)
    assert [one.evicted for one in (busy, first, second, third)] == [False, False, True, True]


def test_bounds_the_bytes_of_incomplete_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_connections, "HEAD_BYTES", 100)
    registry = OpenConnections(lambda: 0.0)
    silent, first, second, third = _idle(registry, 4)
    for received in (20, 40):
        registry.head(first, received)
    registry.head(second, 60)
    assert not first.evicted
    registry.head(first, 41)  # the oldest is evicted, although it has just sent bytes
    assert (silent.evicted, first.evicted, second.evicted) == (False, True, False)
    registry.closed(first)
    registry.head(third, 40)
    registry.busy(second)  # a complete request: its bytes do not count as a head any more
    registry.head(third, 100)
    assert not third.evicted


def test_reports_a_full_server_and_the_age_of_the_oldest() -> None:
    now = 5.0
    registry = OpenConnections(lambda: now)
    changes: list[bool] = []
    registry.changed = lambda: changes.append(registry.full)
    registry.limit = 2
    assert [registry.oldest_idle_since] == [None]
    (first,) = _idle(registry, 1)
    now = 6.0
    (second,) = _idle(registry, 1)
    assert [registry.full, registry.oldest_idle_since] == [True, 5.0]
    registry.busy(first)
    assert registry.oldest_idle_since == 6.0
    registry.closed(second)
    assert [registry.full, registry.oldest_idle_since] == [False, None]
    assert changes == [False, True, False]
