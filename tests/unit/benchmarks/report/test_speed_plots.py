"""Spreads in the plots of speed: equal to the ± of the text, on a logarithmic axis too."""

import io
from itertools import product

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from benchmarks.harness.results import Key, Result
from benchmarks.report import speed_plots

RATE = Key(section="throughput", metric="photos per second", model=4, callers=1)
LATENCY = Key(section="callers", metric="median latency", model=4, side="service")


def _axes() -> Axes:
    return Drawing().subplots()


def _by_size(*of_dlib: float) -> Result:
    result = Result(made="", plan="full")
    sides = {"library": (6.0, 6.2, 5.7), "dlib": of_dlib}
    for size, (side, values) in product((0.3, 1.2), sides.items()):
        result.note(RATE.model_copy(update={"side": side, "megapixels": size}), *values)
    for size in (0.3, 1.2):
        ratio = {"side": "library against dlib", "metric": "times as fast", "megapixels": size}
        result.note(RATE.model_copy(update=ratio), 20.0)
    return result


@pytest.mark.parametrize("of_dlib", [(0.30, 0.31, 0.33), (0.1, 0.3, 0.9)])
def test_the_bars_are_the_spread(of_dlib: tuple[float, ...]) -> None:
    axes, result = _axes(), _by_size(*of_dlib)
    speed_plots.by_size(axes, result, 4)
    for bars, side in zip(axes.containers, ("library", "dlib"), strict=True):
        (segments,) = bars[2]
        for (_, low), (_, high) in segments.get_segments():
            figure = next(result.find(side=side, metric="photos per second"))
            assert (high - low) / 2 == pytest.approx(figure.noise)
            assert (high + low) / 2 == pytest.approx(figure.median)


def test_the_band_is_the_spread() -> None:
    axes, result = _axes(), Result(made="", plan="full")
    for callers in (1, 8):
        result.note(LATENCY.model_copy(update={"callers": callers}), 0.2, 0.21, 0.23)
    speed_plots.latency(axes, result, 4)
    figure = result.figures[0]
    (band,) = axes.collections
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert (min(heights), max(heights)) == pytest.approx(
        (figure.median - figure.noise, figure.median + figure.noise)
    )


def test_a_spread_below_zero_leaves_a_logarithmic_axis_at_its_bottom() -> None:
    drawing, result = Drawing(), _by_size(0.1, 0.3, 0.9)
    axes = drawing.subplots()
    figure = next(result.find(side="dlib", metric="photos per second"))
    assert figure.median < figure.noise
    speed_plots.by_size(axes, result, 4)
    assert axes.get_ylim() == pytest.approx((0.3 / speed_plots.ROOM, 6.0 * speed_plots.ROOM))
    drawing.savefig(io.BytesIO(), format="svg")  # warnings are errors


def test_a_logarithmic_axis_holds_the_upper_end_of_a_wide_spread() -> None:
    axes, result = _axes(), Result(made="", plan="full")
    result.note(LATENCY.model_copy(update={"callers": 1}), 0.1, 0.2, 0.9)
    speed_plots.latency(axes, result, 4)
    assert axes.get_ylim()[1] > result.figures[0].median + result.figures[0].noise
