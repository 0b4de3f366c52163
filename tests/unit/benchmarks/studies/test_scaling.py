"""Measured rates of several replicas against predicted ones."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.processes.cpu_shares import parent_of_groups
from benchmarks.processes.nginx import NGINX
from benchmarks.studies.scaling import __main__ as scaling
from benchmarks.studies.scaling.__main__ import Experiment
from benchmarks.studies.scaling.rounds import Replicas, Round, measured, running_replicas

EXPERIMENT = Experiment(0.4, (1, 2, 4))


class _Share:
    """Records the shares that are set."""

    def __init__(self) -> None:
        self.cores: list[float] = []

    def command(self, command: Sequence[str]) -> Sequence[str]:
        return command

    def set(self, cores: float) -> None:
        self.cores.append(cores)


def _passed(
    rates: dict[int, float], monkeypatch: pytest.MonkeyPatch, failed: int = 0
) -> tuple[bool, list[int]]:
    """The result of the experiment with these rates, and the numbers of replicas in the order of the rounds."""
    order = []

    def measured(_: Replicas, number: int, *__: object) -> Round:
        order.append(number)
        return Round(rates[number], failed, 0.4 * number, 0.001, 0.0)

    monkeypatch.setattr(scaling, "measured", measured)
    share = _Share()
    options = argparse.Namespace(megapixels=0.3, rounds=2, seconds=1.0)
    running = Replicas([None] * 4, [share], "key")  # type: ignore[list-item]
    passed = scaling._experiment(running, EXPERIMENT, [b"photo"], options)
    assert share.cores == [0.4]
    return passed, order


def test_rounds_of_all_numbers_are_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _passed({1: 5.0, 2: 9.9, 4: 19.5}, monkeypatch) == (True, [1, 2, 4, 1, 2, 4])


@pytest.mark.parametrize(("four", "passed"), [(16.1, True), (15.9, False), (23.9, True), (24.1, False)])
def test_a_rate_fails_that_differs_by_more_than_a_fifth(
    four: float, passed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _passed({1: 5.0, 2: 10.0, 4: four}, monkeypatch)[0] is passed
    assert f"{abs(four / 20 - 1):.1%}, allowed 20%" in capsys.readouterr().out


def test_a_failed_call_fails_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _passed({1: 5.0, 2: 10.0, 4: 20.0}, monkeypatch, failed=1)[0]


def test_the_prediction_is_the_arithmetic_of_the_command() -> None:
    assert scaling.predicted(5.0, 0.3, 4) == pytest.approx(20.0)
    assert scaling.predicted(5.0, 0.3, 10_000) < 5_000  # the network is the bottleneck


def test_experiments_need_cores_and_quotas() -> None:
    assert scaling.possible(2, quotas=True) == [(0.4, [1, 2, 4]), (1.0, [1, 2])]
    assert scaling.possible(2, quotas=False) == [(1.0, [1, 2])]
    assert scaling.possible(1, quotas=True) == [(0.4, [1, 2])]
    assert scaling.possible(1, quotas=False) == []


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_replicas_behind_nginx_share_the_photos(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACE_STORE", str(store))
    cores = 0.5 if parent_of_groups() else 1.0
    with running_replicas(min(2, len(os.sched_getaffinity(0))), cores, model=3) as running:
        found = measured(running, len(running.services), scaling._photos(None, 0.1), seconds=2.0)
        answered = [service.log.count("POST /detect 200") for service in running.services]
    assert found.failed == 0
    assert found.rate > 0
    assert 0 < found.used <= 1.2 * cores * len(running.services)
    assert min(answered) > 0
