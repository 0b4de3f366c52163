from service.activity.ring import Ring

NOON = 1_796_032_800
"""Unix time of a full hour, 2026-11-30 10:00 UTC."""


def test_counts_by_interval_and_keeps_the_last_ones() -> None:
    ring = Ring(60, 3)
    for second in (0, 59.9, 60, 130, 185):
        ring.at(NOON + second).photos += 1
    assert [(bucket.start - NOON, bucket.photos) for bucket in ring.until(NOON + 200)] == [
        (60, 1),
        (120, 1),
        (180, 1),
    ]


def test_intervals_without_a_photo_are_empty() -> None:
    ring = Ring(60, 3)
    ring.at(NOON).photos += 1
    assert [bucket.photos for bucket in ring.until(NOON + 60)] == [0, 1, 0]
    assert [bucket.photos for bucket in ring.until(NOON + 3600)] == [0, 0, 0]


def test_days_start_at_midnight_of_utc() -> None:
    midnight = NOON - NOON % 86400
    days = Ring(86400, 1)
    days.at(midnight - 1).photos += 5
    assert days.at(midnight).photos == 0


def test_a_clock_that_is_set_back_clears_what_it_enters_again() -> None:
    ring = Ring(60, 2)
    ring.at(NOON + 120).photos += 1
    ring.at(NOON).photos += 1
    assert [bucket.photos for bucket in ring.until(NOON)] == [0, 1]
