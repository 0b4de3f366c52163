"""Throughput, latencies, stages and failures of a trial."""

import pytest

from benchmarks.harness.closed_loop import Response, Trial


def test_failures_count_neither_as_photos_nor_as_latencies() -> None:
    trial = Trial(2.0, ((0.5, Response(((1, 2, 3, 4),))), (0.1, Response(failure="status 503"))))
    assert trial.photos_per_second == 0.5
    assert trial.latencies == [0.5]
    assert trial.failures == ["status 503"]
    assert trial.faces == 1


def test_stages_are_means_over_all_photos() -> None:
    trial = Trial(1.0, ((0.5, Response(stages={"a": 1.0, "b": 3.0})), (0.5, Response(stages={"a": 2.0}))))
    assert trial.stages == {"a": 1.5, "b": 1.5}


@pytest.mark.parametrize(("percent", "enough"), [(50, 2), (95, 20), (99, 100)])
def test_a_percentile_needs_enough_photos(percent: int, enough: int) -> None:
    few, many = (Trial(1.0, ((0.25, Response()),) * number) for number in (enough - 1, enough))
    assert few.latency(percent) is None
    assert many.latency(percent) == 0.25
