"""Photos of a plan: their number, and their order if the time does not suffice for all."""

from pathlib import Path

import pytest

from benchmarks.harness.corpus import Corpus
from benchmarks.parity.corpus_comparison import LEAST_PHOTOS, PLANS, selected


@pytest.mark.parametrize(("there", "quick"), [(1, 1), (6, 6), (20, 20), (100, 20)])
def test_the_quick_plan_takes_twenty_photos_and_the_full_one_all(there: int, quick: int) -> None:
    corpus = Corpus(Path(), [Path(f"{number:03}.jpg") for number in range(there)])
    assert len(set(selected(PLANS["quick"], corpus))) == len(selected(PLANS["quick"], corpus)) == quick
    assert sorted(selected(PLANS["full"], corpus)) == corpus.photos


def test_the_first_photos_are_spread_over_the_folder() -> None:
    corpus = Corpus(Path(), [Path(f"{number:03}.jpg") for number in range(100)])
    first = [int(path.stem) for path in selected(PLANS["quick"], corpus)[:LEAST_PHOTOS]]
    assert first == sorted(first)
    assert max(after - before for before, after in zip([0, *first], [*first, 100], strict=True)) <= 20
