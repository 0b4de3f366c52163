"""Pools of scratch arrays."""

from contextlib import ExitStack

import numpy as np

from service.recognition.compute.scratch import SCRATCH_FLOATS, float_pool


def test_reuses_a_released_array() -> None:
    pool = float_pool()
    with pool.acquired((100,)) as first:
        assert first.shape == (100,)
        assert first.dtype == np.float32
    with pool.acquired((60,)) as second:
        assert second.shape == (60,)
        assert np.shares_memory(first, second)


def test_an_acquired_array_is_not_shared() -> None:
    pool = float_pool()
    with pool.acquired((10,)) as first, pool.acquired((10,)) as second:
        assert not np.shares_memory(first, second)


def test_a_larger_array_is_allocated_and_kept() -> None:
    pool = float_pool()
    with pool.acquired((10,)):
        pass
    with pool.acquired((20,)) as larger:
        assert larger.shape == (20,)
    with pool.acquired((20,)) as again:
        assert np.shares_memory(larger, again)


def test_an_array_above_the_limit_is_not_kept() -> None:
    pool = float_pool()
    with pool.acquired((SCRATCH_FLOATS + 1,)) as huge:
        assert len(huge) == SCRATCH_FLOATS + 1
    with pool.acquired((SCRATCH_FLOATS + 1,)) as another:
        assert not np.shares_memory(huge, another)


def test_takes_the_smallest_array_that_is_large_enough() -> None:
    pool = float_pool()
    with pool.acquired((10,)) as small, pool.acquired((30,)) as large, pool.acquired((20,)) as middle:
        pass
    for length, expected in ((15, middle), (8, small), (21, large)):
        with pool.acquired((length,)) as array:
            assert np.shares_memory(array, expected)


def test_drops_the_array_released_longest_ago() -> None:
    pool, part = float_pool(), SCRATCH_FLOATS // 4
    with ExitStack() as stack:
        first = [stack.enter_context(pool.acquired((part + number,))) for number in range(6)]
    with ExitStack() as stack:
        again = [stack.enter_context(pool.acquired((part,))) for _ in range(6)]
    kept = [any(np.shares_memory(one, other) for other in again) for one in first]
    # Released from the last to the first; four of the larger ones are more than the limit.
    assert kept == [True, True, True, False, False, False]
