"""Figures in words, the plot, groups of failures, and the devices of the stages."""

import pytest

from service.web.page.failure_groups import grouped
from service.web.page.plot import plot
from service.web.page.status import Minute
from service.web.page.verdict import devices
from service.wording import duration, moment, size
from tests.unit.service.web.page import statuses


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0, "1 minute"),
        (0.15, "9 minutes"),
        (0.5, "30 minutes"),
        (1.3, "1.3 hours"),
        (26.4, "26 hours"),
        (47.9, "48 hours"),
        (48, "2.0 days"),
        (81, "3.4 days"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(hours: float, words: str) -> None:
    assert duration(hours) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0.0 KiB"), (48_211, "47 KiB"), (2 << 20, "2.0 MiB"), (1_288_490_189, "1.2 GiB")],
)
def test_a_size_has_the_unit_that_suits_it(number: int, words: str) -> None:
    assert size(number) == words


def test_a_time_is_given_in_utc() -> None:
    assert moment("2026-11-30T11:40:31Z") == "30 Nov 2026, 11:40:31 UTC"
    assert moment("2026-11-03T11:40:31+02:00") == "3 Nov 2026, 09:40:31 UTC"


def test_bars_fill_the_plot_with_failed_photos_on_top() -> None:
    drawn = plot([Minute(start=0, photos=30, failed=10), Minute(start=60, photos=0, failed=0)])
    assert drawn.top == 40
    assert (drawn.answered, drawn.failed) == ("M1 100v-75h8v75z", "M1 25v-25h8v25z")
    assert (
        drawn.sentence
        == "In the last hour: 30 answered, 10 failed. The most in one minute: 30, at 00:00 UTC."
    )


def test_a_single_photo_is_no_full_bar() -> None:
    minutes = [Minute(start=0, photos=0, failed=0), Minute(start=60, photos=1, failed=0)]
    assert plot(minutes).answered == "M11 100v-10h8v10z"
    assert plot(minutes[:1]).sentence == "No photo in the last hour."


def test_failures_of_one_cause_are_one_group_at_the_place_of_the_latest() -> None:
    failures = [statuses.failure(30), statuses.too_large(20), statuses.failure(10)]
    groups = grouped(failures)
    assert [(group.status, len(group.failures)) for group in groups] == [(415, 2), (412, 1)]
    assert groups[0].failures == [failures[0], failures[2]]


def test_devices_are_told_by_the_provider() -> None:
    assert devices([]) == (None, None)
    assert devices(statuses.stages()) == (None, statuses.CPU)
    assert devices(statuses.stages(gpu=True)) == (statuses.GPU, statuses.CPU)
    software = [stage.model_copy(update={"is_gpu": False}) for stage in statuses.stages(gpu=True)]
    assert devices(software) == (None, f"{statuses.GPU} and {statuses.CPU}")
