from random import Random

import pytest

from service.activity.work_time import PAUSE, SPANS, WorkTime


def _sums(*photos: tuple[float, float]) -> tuple[float, float]:
    work_time = WorkTime()
    added = [work_time.add(begun, ended) for begun, ended in photos]
    return sum(busy for busy, _ in added), sum(active for _, active in added)


@pytest.mark.parametrize(
    ("photos", "busy", "active"),
    [
        ([(0, 2)], 2, 2),
        ([(0, 2), (2, 3)], 3, 3),
        ([(0, 2), (1, 3)], 3, 3),  # in work at the same time
        ([(0, 2), (5, 6)], 3, 6),  # a pause within a job
        ([(0, 2), (2 + PAUSE + 1, 2 + PAUSE + 8)], 9, 9),  # another job
        ([(0, 1), (5, 6), (0.5, 7)], 7, 7),  # one over the pause of two others
        ([(0, 1), (2, 3), (4, 5), (1.5, 6)], 5.5, 6),
    ],
)
def test_adds_each_second_once(photos: list[tuple[float, float]], busy: float, active: float) -> None:
    assert _sums(*photos) == (busy, active)


def test_the_union_of_many_photos_is_exact() -> None:
    random = Random(1)
    ends = sorted(random.uniform(0, 100) for _ in range(SPANS))
    photos = [(end - random.uniform(0, 3), end) for end in ends]
    covered = sum(
        any(begun <= (tick + 0.5) / 1000 < ended for begun, ended in photos) for tick in range(-3000, 100_000)
    )
    assert _sums(*photos)[0] == pytest.approx(covered / 1000, abs=0.1)


def test_a_clock_that_is_set_back_adds_nothing_negative() -> None:
    work_time = WorkTime()
    work_time.add(100, 101)
    added = work_time.add(49, 50)
    assert added.busy >= 0
    assert added.active >= 0
