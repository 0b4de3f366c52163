import pytest

from service.web.connections.minimum_rate import MINIMUM_RATE, MinimumRate


def _stalled_after(patience: float, received: int, every: float, limit: float = 3600) -> float | None:
    """Seconds until the bucket is empty, with `received` bytes every `every` seconds; None: never."""
    rate = MinimumRate(patience)
    now = 0.0
    while now < limit:
        if rate.left < every:
            return now + rate.left
        now += every
        rate.count(every, received)
    return None


@pytest.mark.parametrize(
    ("received", "every", "stalled"),
    [
        (0, 60, 60),
        (1, 5, 65),
        (MINIMUM_RATE // 2, 1, 120),
        (MINIMUM_RATE, 1, None),
        (3000, 2, None),
        (2 * MINIMUM_RATE * 50, 50, None),  # repeated gaps of most of a minute
    ],
)
def test_is_empty_after_silence_or_dripping_and_never_at_the_minimum_rate(
    received: int, every: float, stalled: float | None
) -> None:
    after = _stalled_after(60, received, every)
    assert after == (stalled if stalled is None else pytest.approx(stalled, abs=5))


def test_a_fast_start_does_not_exceed_the_capacity() -> None:
    rate = MinimumRate(60)
    rate.count(0.1, 100_000_000)
    assert rate.left == 60
