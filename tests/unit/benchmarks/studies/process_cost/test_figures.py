"""Medians and ratios of two sides' rounds."""

import pytest

from benchmarks.studies.process_cost.figures import HEADINGS, Figures


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    figures = Figures()
    for before, now in ((10, 11), (100, 90), (20, 30), (40, 40), (50, 60)):
        figures.note("before", {"latency": before})
        figures.note("now", {"latency": now})
    (row,) = figures.rows()
    assert (row.name, row.before, row.now) == ("latency", 40, 40)
    assert row.ratio == pytest.approx(1.1)
    assert row.quartiles == pytest.approx((1.0, 1.2))


def test_quartiles_of_one_round_are_its_ratio() -> None:
    figures = Figures()
    figures.note("before", {"start": 2.0, "idle": 279.0})
    figures.note("now", {"start": 1.0, "idle": 290.5})
    start, idle = figures.rows()
    assert start.cells == ("start", "2.000", "1.000", "-1.000", "0.500", "0.500 to 0.500")
    assert idle.cells == ("idle", "279", "290", "+11.5", "1.041", "1.041 to 1.041")
    assert len(idle.cells) == len(HEADINGS)


def test_ignores_rounds_of_only_one_side() -> None:
    figures = Figures()
    figures.note("before", {"latency": 1.0, "start": 3.0})
    figures.note("before", {"latency": 100.0})
    figures.note("now", {"latency": 2.0})
    (row,) = figures.rows()
    assert (row.before, row.now, row.ratio) == (1.0, 2.0, 2.0)


def test_a_ratio_to_zero_is_nan() -> None:
    figures = Figures()
    figures.note("before", {"CPU seconds": 0.0})
    figures.note("now", {"CPU seconds": 0.01})
    (row,) = figures.rows()
    assert row.cells[4] == "nan"
