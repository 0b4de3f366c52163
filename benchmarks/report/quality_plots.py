"""Plots about the answers: how far apart faces lie, and how sure both sides are of them."""

import numpy as np
from matplotlib.axes import Axes

from benchmarks.parity.accuracy import BIN, THRESHOLDS
from benchmarks.parity.comparison import GROUPING_CONFIDENCE as SURE
from benchmarks.report import wording
from benchmarks.report.drawing import LIGHT, from_zero, threshold
from benchmarks.results import Result, Series

CLOSE = max(THRESHOLDS)
KNOWN = (("same", "one", "one person", "right"), ("different", "two", "two people", "left"))
UNKNOWN = (("all", "ours", "all faces", "left"),)
"""Columns of the histogram, and their colours, names, and sides of the peak that the name stands on."""
POINT = 0.002
"""Confidences are drawn on a grid this fine: two points in one place would be seen as one."""


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
    """Each face as a point, the baseline's confidence to the right and the measured one upwards: on the diagonal."""
    series = _series(result, "confidences", model)
    if series is None or not series.columns["reference"]:
        return None
    pairs = np.column_stack([series.columns["reference"], series.columns["candidate"]])
    crossing = (pairs[:, 0] >= SURE) != (pairs[:, 1] >= SURE)
    drawn = np.unique(np.round(pairs[~crossing] / POINT), axis=0) * POINT
    low, high = float(min(pairs.min(), SURE)), float(max(pairs.max(), SURE))
    ends = (low - 0.04 * (high - low + 0.1), high + 0.04 * (high - low + 0.1))
    axes.plot(ends, ends, color=LIGHT["line"], linewidth=1.2)
    threshold(axes, SURE)
    axes.axhline(SURE, color=LIGHT["ink"], linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(drawn[:, 0], drawn[:, 1], "o", color=LIGHT["ours"], alpha=0.55, markersize=4, markeredgewidth=0)
    axes.plot(*pairs[crossing].T, "D", color=LIGHT["red"], markersize=6, markeredgewidth=0)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_xlabel("the baseline's confidence")
    axes.set_ylabel("measured")
    apart = float(np.abs(pairs[:, 0] - pairs[:, 1]).max())
    crossed = (
        f"{crossing.sum()} lie on two sides of {SURE} (diamonds)"
        if crossing.any()
        else f"none crosses {SURE}"
    )
    return f"{len(pairs):,} faces: at most {wording.number(apart)} apart, and {crossed}."


def _series(result: Result, name: str, model: int | None) -> Series | None:
    return next((one for one in result.series if one.name == name and one.model == model), None)
