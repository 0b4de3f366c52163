"""Plots of accuracy and parity: distances between descriptors, differences of confidences."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmarks.harness import wording
from benchmarks.harness.results import Result, Series
from benchmarks.parity.accuracy import BIN, THRESHOLDS
from benchmarks.parity.comparison import CONFIDENCE_TOLERANCE, GROUPING_CONFIDENCE
from benchmarks.report.drawing import LIGHT, from_zero, threshold

CLOSE = max(THRESHOLDS)
"""Distance below which the caption counts pairs."""
KNOWN = (("same", "one", "the same person", "right"), ("different", "two", "different people", "left"))
UNKNOWN = (("all", "ours", "all faces", "left"),)
"""Columns of the histogram: colour, name, and alignment of the name at the peak."""
POINT = 0.002
"""Grid step of the points, in confidence (x) and as a share of the y limit (y): equal points are drawn once."""


def distances(axes: Axes, result: Result, model: int | None) -> str | None:
    """Histogram of distances: pairs of the same person and of different people, or all pairs without labels."""
    series = _series(result, "distances", model)
    if series is None:
        return None
    known = any(map(sum, (series.columns["same"], series.columns["different"])))
    edges = np.array(series.columns["edges"])
    below = []
    for column, colour, words, align in KNOWN if known else UNKNOWN:
        counts = np.array(series.columns.get(column, []))
        if not counts.sum():
            continue
        shares = 100 * counts / counts.sum()
        steps = [*edges, edges[-1] + BIN]
        axes.stairs(shares, steps, fill=True, color=LIGHT[colour], alpha=0.22, linewidth=0)
        axes.stairs(shares, steps, color=LIGHT[colour], linewidth=1.6)
        peak = int(shares.argmax())
        place = (edges[peak] + BIN / 2, shares[peak] * 1.03)
        axes.text(*place, words, color=LIGHT[colour], ha=align, va="bottom")
        below.append(f"{wording.number(shares[edges < CLOSE - BIN / 2].sum())} % of the pairs of {words}")
    if not below:
        return None
    for value in THRESHOLDS:
        threshold(axes, value)
    axes.set_xlabel("distance between the two descriptors")
    axes.set_ylabel("% of these pairs")
    axes.margins(x=0, y=0.12)
    from_zero(axes)
    return f"Distance below {CLOSE}: {' and '.join(below)}."


def confidences(axes: Axes, result: Result, model: int | None) -> str | None:
    """Difference of each face's confidences over the baseline's confidence, with the tolerance as a band."""
    series = _series(result, "confidences", model)
    if series is None or not series.columns["reference"]:
        return None
    pairs = np.column_stack([series.columns["reference"], series.columns["candidate"]])
    expected, differences = pairs[:, 0], pairs[:, 1] - pairs[:, 0]
    crossing = (pairs >= GROUPING_CONFIDENCE).sum(axis=1) == 1
    apart = float(np.abs(differences).max())
    high = 1.3 * max(apart, CONFIDENCE_TOLERANCE)
    axes.axhspan(-CONFIDENCE_TOLERANCE, CONFIDENCE_TOLERANCE, color=LIGHT["soft"], alpha=0.1, linewidth=0)
    axes.axhline(0, color=LIGHT["line"], linewidth=1.2)
    threshold(axes, GROUPING_CONFIDENCE)
    # Points on a grid: equal ones are drawn once.
    steps = np.array([POINT, high * POINT])
    points = np.unique(np.round(np.column_stack([expected, differences])[~crossing] / steps), axis=0) * steps
    axes.plot(*points.T, "o", color=LIGHT["ours"], alpha=0.55, markersize=4, markeredgewidth=0)
    axes.plot(
        expected[crossing], differences[crossing], "D", color=LIGHT["red"], markersize=6, markeredgewidth=0
    )
    axes.set_xlim(
        min(expected.min(), GROUPING_CONFIDENCE) - 0.05, max(expected.max(), GROUPING_CONFIDENCE) + 0.05
    )
    axes.set_ylim(-high, high)
    axes.set_xlabel("confidence of the baseline")
    axes.set_ylabel("candidate minus baseline")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.number(value)))
    nearest = np.abs(expected - GROUPING_CONFIDENCE).min()
    crossed = (
        f"{crossing.sum()} on different sides of {GROUPING_CONFIDENCE} (diamonds)"
        if crossing.any()
        else f"none on different sides of {GROUPING_CONFIDENCE}; the nearest is {wording.number(nearest)} away"
    )
    return (
        f"{len(pairs):,} faces, largest difference {wording.number(apart)}; "
        f"tolerance {wording.number(CONFIDENCE_TOLERANCE)} (band); {crossed}."
    )


def _series(result: Result, name: str, model: int | None) -> Series | None:
    return next((one for one in result.series if one.name == name and one.model == model), None)
