"""Roofline plot: performance of the networks against the machine's peaks and memory bandwidth."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.harness import wording
from benchmarks.harness.results import FLOAT32, INT8, Figure, Result
from benchmarks.report.drawing import LIGHT

PEAKS = {kind.network: kind.peak for kind in (FLOAT32, INT8)}
"""Metric of the machine's peak by the metric of a network."""


def roofline(axes: Axes, result: Result, model: int | None) -> str | None:
    """Operations a second over operational intensity: the roofs of the machine, and the networks below them."""
    machine = {
        figure.key.metric: figure.median for figure in result.find(section="roofline", stage="", model=model)
    }
    peaks = {network: machine[product] for network, product in PEAKS.items() if product in machine}
    bandwidth = machine.get("memory bandwidth")
    networks = {
        figure.key.stage: figure
        for network in peaks
        for figure in result.find(section="roofline", metric=network)
    }
    speeds = {name: figure.median for name, figure in networks.items()}
    intensities = {
        figure.key.stage: figure.median
        for figure in result.find(section="roofline", metric="operations per byte")
    }
    names = [name for name in speeds if name in intensities]
    if not peaks or not bandwidth or not names:
        return None
    ridges = [peak / bandwidth for peak in peaks.values()]
    left = min(*ridges, *(intensities[name] for name in names)) / 4
    right = max(*ridges, *(intensities[name] for name in names)) * 6
    axes.set_xscale("log")
    axes.set_yscale("log")
    for (network, peak), ridge in zip(peaks.items(), ridges, strict=True):
        roof = np.array([left, ridge, right])
        height = np.minimum(peak, bandwidth * roof)
        axes.plot(roof, height, color=LIGHT["soft"])
        axes.fill_between(roof, height, 1e-9, color=LIGHT["soft"], alpha=0.08, linewidth=0)
        axes.text(
            right,
            peak * 1.08,
            f"{PEAKS[network]} {wording.quantity(peak, PEAKS[network])}",
            color=LIGHT["soft"],
            ha="right",
            va="bottom",
        )
    axes.set_xlim(left, right)
    bottom = min(bandwidth * left, *(speeds[name] for name in names)) / 2
    axes.set_ylim(bottom, max(peaks.values()) * 2.2)
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
        metric = networks[name].key.metric
        share = _share(networks[name], min(peaks[metric], bandwidth * x))
        outwards = -1 if x == min(intensities[other] for other in names) else 1
        upwards = 1 if metric == INT8.network else -1  # away from the lower roof
        axes.plot([x], [y], "o", color=LIGHT["ours"], markersize=8)
        axes.annotate(
            f"{wording.stage(name)}\n{share}",
            (x, y),
            xytext=(-4 * outwards, 8 * upwards),
            textcoords="offset points",
            ha="right" if outwards < 0 else "left",
            va="bottom" if upwards > 0 else "top",
            color=LIGHT["ours"],
        )
        shares.append(f"{wording.stage(name)} {share} ({wording.quantity(y, metric)})")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("operations per byte of memory traffic")
    axes.set_ylabel("billion operations a second")
    return f"Share of the machine's measured limit: {', '.join(shares)}."


def _share(network: Figure, limit: float) -> str:
    """Share of the limit that a network reaches, with the spread of its rounds."""
    key = network.key.model_copy(update={"metric": "share of matrix product"})
    return wording.spread(Figure(key=key, values=[value / limit for value in network.values]))
