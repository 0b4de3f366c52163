"""Plots about the answers: how far apart faces lie, and how sure both sides are of them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmarks.harness.results import Result, Series
from benchmarks.parity.accuracy import BIN, THRESHOLDS
from benchmarks.parity.comparison import CONFIDENCE_TOLERANCE
from benchmarks.parity.comparison import GROUPING_CONFIDENCE as SURE
from benchmarks.report import wording
from benchmarks.report.drawing import LIGHT, from_zero, threshold

CLOSE = max(THRESHOLDS)
KNOWN = (("same", "one", "one person", "right"), ("different", "two", "two people", "left"))
UNKNOWN = (("all", "ours", "all faces", "left"),)
"""Columns of the histogram, and their colours, names, and sides of the peak that the name stands on."""
POINT = 0.002
"""The grid of the points: a confidence, and a share of the largest difference."""


def distances(axes: Axes, result: Result, model: int | None) -> str | None:
    """Shares of the pairs by how far apart their descriptors are: of one person and of two, or of all if unknown."""
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
    axes.set_xlabel("distance of the two descriptors")
    axes.set_ylabel("% of such pairs")
    axes.margins(x=0, y=0.12)
    from_zero(axes)
    return f"Closer than {CLOSE}: {' and '.join(below)}."


def confidences(axes: Axes, result: Result, model: int | None) -> str | None:
    """The difference of each face's two confidences against the baseline's, within the tolerance and beyond it."""
    series = _series(result, "confidences", model)
    if series is None or not series.columns["reference"]:
        return None
    pairs = np.column_stack([series.columns["reference"], series.columns["candidate"]])
    expected, differences = pairs[:, 0], pairs[:, 1] - pairs[:, 0]
    crossing = (pairs >= SURE).sum(axis=1) == 1
    apart = float(np.abs(differences).max())
    high = 1.3 * max(apart, CONFIDENCE_TOLERANCE)
    axes.axhspan(-CONFIDENCE_TOLERANCE, CONFIDENCE_TOLERANCE, color=LIGHT["soft"], alpha=0.1, linewidth=0)
    axes.axhline(0, color=LIGHT["line"], linewidth=1.2)
    threshold(axes, SURE)
    # Points on a grid: two in one place would be seen as one.
    steps = np.array([POINT, high * POINT])
    points = np.unique(np.round(np.column_stack([expected, differences])[~crossing] / steps), axis=0) * steps
    axes.plot(*points.T, "o", color=LIGHT["ours"], alpha=0.55, markersize=4, markeredgewidth=0)
    axes.plot(
        expected[crossing], differences[crossing], "D", color=LIGHT["red"], markersize=6, markeredgewidth=0
    )
    axes.set_xlim(min(expected.min(), SURE) - 0.05, max(expected.max(), SURE) + 0.05)
    axes.set_ylim(-high, high)
    axes.set_xlabel("the baseline's confidence")
    axes.set_ylabel("measured, less the baseline's")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.number(value)))
    crossed = (
        f"{crossing.sum()} lie on two sides of {SURE} (diamonds)"
        if crossing.any()
        else f"none crosses {SURE}, and the nearest to it is {wording.number(np.abs(expected - SURE).min())} away"
    )
    return (
        f"{len(pairs):,} faces: at most {wording.number(apart)} apart, where "
        f"{wording.number(CONFIDENCE_TOLERANCE)} is allowed (the band); {crossed}."
    )


def _series(result: Result, name: str, model: int | None) -> Series | None:
    return next((one for one in result.series if one.name == name and one.model == model), None)
