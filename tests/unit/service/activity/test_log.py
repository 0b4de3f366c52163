from __future__ import annotations

import pytest

from service.activity import ActivityLog, EndedPhoto
from service.activity.failures import PHOTOS, WITHOUT_KEY
from service.estimate.library import Load

MORNING = 1_796_032_800.0
"""2026-11-30 10:00 UTC."""


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> ActivityLog:
    return ActivityLog(clock)


def detected(seconds: float = 0.1) -> EndedPhoto:
    return EndedPhoto("/detect", 200, seconds, None, None, 1000, "JPEG", 1200, 1000)


def failed(status: int = 415, error: str = "UndecodableImage", sentence: str = "?") -> EndedPhoto:
    return EndedPhoto("/detect", status, error=error, sentence=sentence, bytes=1000)


def test_counts_photos_by_second_minute_and_day(clock: Clock, log: ActivityLog) -> None:
    for seconds in (0, 30, 59, 61, 100):
        clock.now = MORNING + seconds
        log.ended(detected())
    log.ended(failed())
    assert (log.photos, log.today().photos, log.today().failed) == (5, 5, 1)
    assert log.last_minute() == 2 + 1  # in 41 to 100
    assert [(minute.photos, minute.failed) for minute in log.last_hour()[-2:]] == [(3, 0), (2, 1)]
    assert len(log.last_hour()) == 60
    clock.now = MORNING + 86400
    log.ended(detected())
    assert (log.photos, log.today().photos, log.today().failed) == (6, 1, 0)


def test_a_caller_that_hung_up_has_neither_an_answer_nor_a_failure(log: ActivityLog) -> None:
    log.ended(EndedPhoto("/detect", 499, 2.0))
    assert (log.photos, log.today().failed, log.failures()) == (0, 0, [])
    assert log.last_hour()[-1].busy_seconds == 2


def test_another_method_is_no_failure_of_a_photo(log: ActivityLog) -> None:
    log.ended(EndedPhoto("/detect", 405))
    assert (log.today().failed, log.failures()) == (0, [])


@pytest.mark.parametrize("status", [400, 401, 408, 412, 413, 415, 422, 500, 503])
def test_each_status_of_a_failed_photo_has_a_reason_and_a_repair(log: ActivityLog, status: int) -> None:
    log.ended(EndedPhoto("/compute", status, bytes=7))
    (failure,) = log.failures()
    assert (failure.status, failure.bytes, failure.time) == (status, 7, "2026-11-30T10:00:00+00:00")
    assert failure.reason.endswith(".")
    assert failure.repair.endswith(".")


def test_requests_without_a_key_displace_no_other_failure(clock: Clock, log: ActivityLog) -> None:
    for _ in range(3):
        log.ended(failed())
    for second in range(500):
        clock.now = MORNING + second
        log.ended(failed(401, "WrongKey", "missing or wrong API key"))
    assert [failure.status for failure in log.failures()] == [401] * WITHOUT_KEY + [415] * 3
    assert log.today().failed == 3
    for _ in range(500):
        log.ended(failed())
    assert len(log.failures()) == PHOTOS + WITHOUT_KEY == 100


def test_the_latest_failure_is_first(clock: Clock, log: ActivityLog) -> None:
    for second, status in enumerate((415, 401, 503)):
        clock.now = MORNING + second
        log.ended(failed(status))
    assert [failure.status for failure in log.failures()] == [503, 401, 415]


def _job(clock: Clock, log: ActivityLog, photos: int, *, work: float, pause: float) -> None:
    for _ in range(photos):
        clock.now += pause + work
        log.ended(detected(work))


def test_the_load_has_the_rate_of_the_job(clock: Clock, log: ActivityLog) -> None:
    _job(clock, log, 300, work=0.3, pause=0.1)
    load = log.load()
    assert load is not None
    assert load.photos == 300
    assert load.seconds == pytest.approx(300 * 0.4, rel=0.01)
    assert load.busy_seconds == pytest.approx(300 * 0.3, rel=0.01)
    assert load.pixels == 1_200_000


def test_a_short_sample_has_no_load(clock: Clock, log: ActivityLog) -> None:
    _job(clock, log, 19, work=2, pause=0)  # too few photos
    assert log.load() is None
    _job(clock, log, 1, work=2, pause=0)
    assert log.load() == Load(20, 40, 40, 1_200_000)
    clock.now += 3600
    _job(clock, log, 250, work=0.1, pause=0)  # 25 seconds
    assert log.load() is None


def test_the_load_is_of_the_last_active_minutes(clock: Clock, log: ActivityLog) -> None:
    _job(clock, log, 600, work=1, pause=0)
    clock.now += 600  # between two jobs
    _job(clock, log, 1200, work=0.5, pause=0)
    load = log.load()
    assert load is not None
    assert load.seconds / load.photos == pytest.approx(0.5, rel=0.02)


def test_photos_of_compute_are_no_part_of_the_load(clock: Clock, log: ActivityLog) -> None:
    _job(clock, log, 100, work=0.5, pause=0)
    before = log.load()
    for _ in range(100):
        clock.now += 0.1
        log.ended(EndedPhoto("/compute", 200, 0.1, width=6000, height=4000))
    assert log.load() == before
    assert log.photos == 200
