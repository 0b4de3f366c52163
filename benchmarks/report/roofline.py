"""Roofline plot: performance of the networks against the machine's peak and memory bandwidth."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.harness import wording
from benchmarks.harness.results import Figure, Result
from benchmarks.report.drawing import LIGHT


def roofline(axes: Axes, result: Result, model: int | None) -> str | None:
    """FLOP/s over operational intensity: the roof of the machine, and the networks below it."""
    machine = {
        figure.key.metric: figure.median for figure in result.find(section="roofline", stage="", model=model)
    }
    peak, bandwidth = machine.get("matrix product"), machine.get("memory bandwidth")
    networks = {figure.key.stage: figure for figure in result.find(section="roofline", metric="network")}
    speeds = {name: figure.median for name, figure in networks.items()}
    intensities = {
        figure.key.stage: figure.median
        for figure in result.find(section="roofline", metric="operations per byte")
    }
    names = [name for name in speeds if name in intensities]
    if not peak or not bandwidth or not names:
        return None
    ridge = peak / bandwidth
    left = min(ridge, *(intensities[name] for name in names)) / 4
    right = max(ridge, *(intensities[name] for name in names)) * 6
    roof = np.array([left, ridge, right])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(roof, np.minimum(peak, bandwidth * roof), color=LIGHT["soft"])
    axes.fill_between(
        roof, np.minimum(peak, bandwidth * roof), 1e-9, color=LIGHT["soft"], alpha=0.08, linewidth=0
    )
    axes.set_xlim(left, right)
    bottom = min(bandwidth * left, *(speeds[name] for name in names)) / 2
    axes.set_ylim(bottom, peak * 2.2)
    axes.text(
        right,
        peak * 1.08,
        f"matrix product {wording.number(peak)} GFLOP/s",
        color=LIGHT["soft"],
        ha="right",
        va="bottom",
    )
    axes.text(
        left * 2.5,
        bandwidth * left,
        f"memory {wording.number(bandwidth)} GB/s",
        color=LIGHT["soft"],
        va="bottom",
    )
    shares = []
    for name in names:
        x, y = intensities[name], speeds[name]
        share = _share(networks[name], min(peak, bandwidth * x))
        outwards = -1 if x == min(intensities[other] for other in names) else 1
        axes.plot([x], [y], "o", color=LIGHT["ours"], markersize=8)
        axes.annotate(
            f"{wording.stage(name)}\n{share}",
            (x, y),
            xytext=(-4 * outwards, -8),
            textcoords="offset points",
            ha="right" if outwards < 0 else "left",
            va="top",
            color=LIGHT["ours"],
        )
        shares.append(f"{wording.stage(name)} {share} ({wording.number(y)} GFLOP/s)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("operations per byte of memory traffic")
    axes.set_ylabel("GFLOP/s")
    return f"Share of the machine's measured limit: {', '.join(shares)}."


def _share(network: Figure, limit: float) -> str:
    """Share of the limit that a network reaches, with the spread of its rounds."""
    key = network.key.model_copy(update={"metric": "share of matrix product"})
    return wording.spread(Figure(key=key, values=[value / limit for value in network.values]))
