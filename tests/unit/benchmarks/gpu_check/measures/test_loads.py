"""Rounds of a load: provider and CPU alternate."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.gpu_check import plan
from benchmarks.gpu_check.measures.loads import Loads
from benchmarks.gpu_check.schema import ProviderRecord
from benchmarks.harness.closed_loop import Response, Trial


class _Side:
    """Callers of a service that answers at a fixed rate, without computing."""

    def __init__(self, name: str, seconds: float, log: list[tuple[str, int]]) -> None:
        self._name, self._seconds, self._log = name, seconds, log

    def trial(self, photos: Sequence[bytes], callers: int) -> Trial:
        self._log.append((self._name, len(photos)))
        responses = [
            (self._seconds, Response(failure="" if photo != b"bad" else "status 503")) for photo in photos
        ]
        return Trial(self._seconds * len(photos), tuple(responses))


def _measured(
    monkeypatch: pytest.MonkeyPatch, *uploads: bytes
) -> tuple[ProviderRecord, list[tuple[str, int]]]:
    log: list[tuple[str, int]] = []
    sides = {"webgpu": _Side("webgpu", 0.1, log), "cpu": _Side("cpu", 0.2, log)}
    monkeypatch.setattr(Loads, "_side", lambda _, record, __: (None, sides[record.name]))
    record, load = ProviderRecord(name="webgpu"), plan.Load(1.2, 1)
    with ExitStack() as stack:
        loads = Loads(stack, record, Path("models"), {1.2: uploads}, plan.MODEL)
        for number in range(3):
            loads.round(plan.FLOAT32, plan.Round(load, number, load.need))
    return record, log


def test_rounds_alternate_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    record, log = _measured(monkeypatch, b"a", b"b")
    assert log[:2] == [("webgpu", 2), ("cpu", 2)]
    assert log[2:] == [(name, 4) for name in ("webgpu", "cpu", "cpu", "webgpu", "webgpu", "cpu")]
    (speed,) = record.speed
    assert (speed.rates, speed.cpu_rates) == ([10.0] * 3, [5.0] * 3)
    assert (speed.ratio, speed.failed) == (2.0, 0)


def test_photos_without_an_answer_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = _measured(monkeypatch, b"bad", b"b")
    assert record.speed[0].failed == 3 * 2 * 2
