import pytest

from service.web.connections.minimum_rate import MINIMUM_RATE, MinimumRate


def _given_up_after(patience: float, received: int, every: float, limit: float = 3600) -> float | None:
    """Seconds until a caller that sends `received` bytes every `every` seconds has none left; None: never."""
    rate = MinimumRate(patience)
    now = 0.0
    while now < limit:
        if rate.left < every:
            return now + rate.left
        now += every
        rate.count(every, received)
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
    rate = MinimumRate(60)
    rate.count(0.1, 100_000_000)
    assert rate.left == 60
