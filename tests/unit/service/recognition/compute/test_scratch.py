"""Memory that is lent again."""

from contextlib import ExitStack

import numpy as np

from service.recognition.compute.scratch import KEPT, floats


def test_what_is_given_back_is_lent_again() -> None:
    scratch = floats()
    with scratch.lent((100,)) as first:
        assert first.shape == (100,)
        assert first.dtype == np.float32
    with scratch.lent((60,)) as second:
        assert second.shape == (60,)
        assert np.shares_memory(first, second)


def test_what_is_lent_is_lent_once() -> None:
    scratch = floats()
    with scratch.lent((10,)) as first, scratch.lent((10,)) as second:
        assert not np.shares_memory(first, second)


def test_a_larger_one_takes_the_place_of_a_smaller_one() -> None:
    scratch = floats()
    with scratch.lent((10,)):
        pass
    with scratch.lent((20,)) as larger:
        assert larger.shape == (20,)
    with scratch.lent((20,)) as again:
        assert np.shares_memory(larger, again)


def test_huge_ones_go_back_to_the_system() -> None:
    scratch = floats()
    with scratch.lent((KEPT + 1,)) as huge:
        assert len(huge) == KEPT + 1
    with scratch.lent((KEPT + 1,)) as another:
        assert not np.shares_memory(huge, another)


def test_the_smallest_that_is_large_enough_is_lent() -> None:
    scratch = floats()
    with scratch.lent((10,)) as small, scratch.lent((30,)) as large, scratch.lent((20,)) as middle:
        pass
    for length, expected in ((15, middle), (8, small), (21, large)):
        with scratch.lent((length,)) as lent:
            assert np.shares_memory(lent, expected)


def test_no_more_is_kept_than_the_limit_and_the_oldest_goes() -> None:
    scratch, part = floats(), KEPT // 4
    with ExitStack() as stack:
        lent = [stack.enter_context(scratch.lent((part + number,))) for number in range(6)]
    with ExitStack() as stack:
        again = [stack.enter_context(scratch.lent((part,))) for _ in range(6)]
    kept = [any(np.shares_memory(one, other) for other in again) for one in lent]
    # Given back from the last to the first; four of the larger ones are more than the limit.
    assert kept == [True, True, True, False, False, False]
