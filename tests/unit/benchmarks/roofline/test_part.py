"""One round of the roofline on this machine: its figures and their relations."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.harness.results import Result
from benchmarks.roofline import part as roofline
from model_store.models import CNN_DETECTOR, DLIB_RESNET


@pytest.mark.slow
def test_a_round_records_peaks_and_shares(store: Path) -> None:
    result = Result(made="2026-01-01T00:00:00+00:00", plan="quick")
    with ExitStack() as stack:
        for step in roofline.steps(1, store, result, stack):
            step.run()
    value = {figure.key.name: figure.median for figure in result.figures}
    metrics = ("network", "share of matrix product", "share of bandwidth", "operations per byte")
    assert value.keys() == {
        "roofline/matrix product",
        "roofline/memory bandwidth",
        *(f"roofline/{name}/library/{metric}" for name in (CNN_DETECTOR, DLIB_RESNET) for metric in metrics),
    }
    assert all(number > 0 for number in value.values())
    for name in (CNN_DETECTOR, DLIB_RESNET):
        reached, share, of_bandwidth, intensity = (
            value[f"roofline/{name}/library/{metric}"] for metric in metrics
        )
        assert share == pytest.approx(reached / value["roofline/matrix product"])
        assert of_bandwidth == pytest.approx(reached / intensity / value["roofline/memory bandwidth"])
    assert result.facts["roofline"].keys() == {"cores busy in a matrix product"}
