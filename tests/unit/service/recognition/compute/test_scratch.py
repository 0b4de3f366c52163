"""Pools of scratch arrays."""

from contextlib import ExitStack

import numpy as np

from service.recognition.compute.scratch import ScratchPool

LIMIT = 1000
"""Bytes that the pool of a test keeps."""


def pool() -> ScratchPool:
    return ScratchPool(lambda size: np.empty(size, np.uint8), LIMIT)


def test_reuses_a_released_array_as_another_type() -> None:
    arrays = pool()
    with arrays.acquired((10, 5), np.float32) as first:
        assert (first.shape, first.dtype) == ((10, 5), np.dtype(np.float32))
    with arrays.acquired((60,), np.uint16) as second:
        assert (second.shape, second.dtype) == ((60,), np.dtype(np.uint16))
        assert np.shares_memory(first, second)


def test_an_acquired_array_is_not_shared() -> None:
    arrays = pool()
    with arrays.acquired((10,), np.uint8) as first, arrays.acquired((10,), np.uint8) as second:
        assert not np.shares_memory(first, second)


def test_a_larger_array_is_allocated_and_kept() -> None:
    arrays = pool()
    with arrays.acquired((10,), np.uint8):
        pass
    with arrays.acquired((20,), np.uint8) as larger:
        assert larger.shape == (20,)
    with arrays.acquired((20,), np.uint8) as again:
        assert np.shares_memory(larger, again)


def test_an_array_above_the_limit_is_not_kept() -> None:
    arrays = pool()
    with arrays.acquired((LIMIT + 1,), np.uint8) as huge:
        assert len(huge) == LIMIT + 1
    with arrays.acquired((LIMIT + 1,), np.uint8) as another:
        assert not np.shares_memory(huge, another)


def test_takes_the_smallest_array_that_is_large_enough() -> None:
    arrays = pool()
    with ExitStack() as stack:
        small, large, middle = [
            stack.enter_context(arrays.acquired((length,), np.uint8)) for length in (10, 30, 20)
        ]
    for length, expected in ((15, middle), (8, small), (21, large)):
        with arrays.acquired((length,), np.uint8) as array:
            assert np.shares_memory(array, expected)


def test_drops_the_array_released_longest_ago() -> None:
    arrays, part = pool(), LIMIT // 4
    with ExitStack() as stack:
        first = [stack.enter_context(arrays.acquired((part + number,), np.uint8)) for number in range(6)]
    with ExitStack() as stack:
        again = [stack.enter_context(arrays.acquired((part,), np.uint8)) for _ in range(6)]
    kept = [any(np.shares_memory(one, other) for other in again) for one in first]
    # Released from the last to the first; four of the larger ones are more than the limit.
    assert kept == [True, True, True, False, False, False]
