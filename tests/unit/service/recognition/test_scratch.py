"""Memory that is lent again."""

from contextlib import ExitStack

import numpy as np

from service.recognition.scratch import KEPT, Scratch


def test_what_is_given_back_is_lent_again() -> None:
    scratch = Scratch()
    with scratch.floats((100,)) as first:
        assert first.shape == (100,)
        assert first.dtype == np.float32
    with scratch.floats((60,)) as second:
        assert second.shape == (60,)
        assert np.shares_memory(first, second)


def test_what_is_lent_is_lent_once() -> None:
    scratch = Scratch()
    with scratch.floats((10,)) as first, scratch.floats((10,)) as second:
        assert not np.shares_memory(first, second)


def test_a_larger_one_takes_the_place_of_a_smaller_one() -> None:
    scratch = Scratch()
    with scratch.floats((10,)):
        pass
    with scratch.floats((20,)) as larger:
        assert larger.shape == (20,)
    with scratch.floats((20,)) as again:
        assert np.shares_memory(larger, again)


def test_huge_ones_go_back_to_the_system() -> None:
    scratch = Scratch()
    with scratch.floats((KEPT + 1,)) as huge:
        assert len(huge) == KEPT + 1
    with scratch.floats((KEPT + 1,)) as another:
        assert not np.shares_memory(huge, another)


def test_the_smallest_that_is_large_enough_is_lent() -> None:
    scratch = Scratch()
    with scratch.floats((10,)) as small, scratch.floats((30,)) as large, scratch.floats((20,)) as middle:
        pass
    for length, expected in ((15, middle), (8, small), (21, large)):
        with scratch.floats((length,)) as lent:
            assert np.shares_memory(lent, expected)


def test_no_more_is_kept_than_the_limit_and_the_oldest_goes() -> None:
    scratch, part = Scratch(), KEPT // 4
    with ExitStack() as stack:
        lent = [stack.enter_context(scratch.floats((part + number,))) for number in range(6)]
    with ExitStack() as stack:
        again = [stack.enter_context(scratch.floats((part,))) for _ in range(6)]
    kept = [any(np.shares_memory(one, other) for other in again) for one in lent]
    # Given back from the last to the first; four of the larger ones are more than the limit.
    assert kept == [True, True, True, False, False, False]
