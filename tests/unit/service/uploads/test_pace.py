import pytest

from service.uploads.pace import MINIMUM_RATE, Pace


def _given_up_after(patience: float, received: int, every: float, limit: float = 3600) -> float | None:
    """Seconds until a caller that sends `received` bytes every `every` seconds has none left; None: never."""
    pace = Pace(patience)
    now = 0.0
    while now < limit:
        if pace.left < every:
            return now + pace.left
        now += every
        pace.count(every, received)
    return None


@pytest.mark.parametrize(
    ("received", "every", "given_up"),
    [
        (0, 60, 60),
        (1, 5, 65),
        (MINIMUM_RATE // 2, 1, 120),
        (MINIMUM_RATE, 1, None),
        (3000, 2, None),
        (2 * MINIMUM_RATE * 50, 50, None),  # a network that is away for most of a minute, again and again
    ],
)
def test_silence_and_dripping_end_and_a_slow_network_does_not(
    received: int, every: float, given_up: float | None
) -> None:
    after = _given_up_after(60, received, every)
    assert after == (given_up if given_up is None else pytest.approx(given_up, abs=5))


def test_bytes_that_came_fast_buy_no_long_silence() -> None:
    pace = Pace(60)
    pace.count(0.1, 100_000_000)
    assert pace.left == 60
