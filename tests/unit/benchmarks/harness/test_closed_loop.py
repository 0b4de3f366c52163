"""What a turn says of itself."""

import pytest

from benchmarks.harness.closed_loop import Answer, Turn


def test_failures_count_neither_as_photos_nor_as_latencies() -> None:
    turn = Turn(2.0, ((0.5, Answer(((1, 2, 3, 4),))), (0.1, Answer(failure="status 503"))))
    assert turn.photos_per_second == 0.5
    assert turn.latencies == [0.5]
    assert turn.failures == ["status 503"]
    assert turn.faces == 1


def test_stages_are_means_over_all_photos() -> None:
    turn = Turn(1.0, ((0.5, Answer(stages={"a": 1.0, "b": 3.0})), (0.5, Answer(stages={"a": 2.0}))))
    assert turn.stages == {"a": 1.5, "b": 1.5}


@pytest.mark.parametrize(("percent", "enough"), [(50, 2), (95, 20), (99, 100)])
def test_a_percentile_wants_enough_photos(percent: int, enough: int) -> None:
    few, many = (Turn(1.0, ((0.25, Answer()),) * number) for number in (enough - 1, enough))
    assert few.latency(percent) is None
    assert many.latency(percent) == 0.25
