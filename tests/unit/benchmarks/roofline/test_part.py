"""One round of the roofline on this machine: its figures and their relations."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.harness.results import Result
from benchmarks.roofline import part as roofline
from model_store.models import CNN_DETECTOR, DLIB_RESNET, SCANNING_DETECTOR

PREFIXES = {CNN_DETECTOR: "", SCANNING_DETECTOR: "int8 ", DLIB_RESNET: ""}
"""Of the metrics of each network and of its peak."""


@pytest.mark.slow
def test_a_round_records_peaks_and_shares(store: Path) -> None:
    result = Result(made="2026-01-01T00:00:00+00:00", plan="quick")
    with ExitStack() as stack:
        for step in roofline.steps(1, store, result, stack):
            step.run()
    value = {figure.key.name: figure.median for figure in result.figures}
    machine = {
        f"roofline/{metric}" for metric in ("matrix product", "int8 matrix product", "memory bandwidth")
    }
    assert len(value) == len(machine) + 4 * len(PREFIXES)
    assert machine < value.keys()
    assert all(number > 0 for number in value.values())
    for name, prefix in PREFIXES.items():
        metrics = (f"{prefix}network", f"share of {prefix}matrix product")
        reached, share, of_bandwidth, intensity = (
            value[f"roofline/{name}/library/{metric}"]
            for metric in (*metrics, "share of bandwidth", "operations per byte")
        )
        assert share == pytest.approx(reached / value[f"roofline/{prefix}matrix product"])
        assert of_bandwidth == pytest.approx(reached / intensity / value["roofline/memory bandwidth"])
    assert result.facts["roofline"].keys() == {"cores busy in a matrix product"}
