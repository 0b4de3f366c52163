"""Memory that is lent again."""

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
