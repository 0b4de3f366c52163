"""The roofline plot: roofs, and the share of each network's own limit."""

from matplotlib.figure import Figure as Drawing

from benchmarks.harness.results import Key, Result
from benchmarks.report.roofline import roofline
from model_store.models import CNN_DETECTOR, SCANNING_DETECTOR


def _note(result: Result, stage: str, **values: float) -> None:
    for name, value in values.items():
        result.note(Key(section="roofline", stage=stage, metric=name.replace("_", " ")), value, value)


def _result() -> Result:
    result = Result(made="2026-01-01T00:00:00+00:00", plan="quick")
    _note(result, "", matrix_product=100.0, memory_bandwidth=10.0)
    _note(result, CNN_DETECTOR, network=90.0, operations_per_byte=90.0)
    return result


def test_a_scan_is_held_against_the_product_in_int8() -> None:
    axes, result = Drawing().subplots(), _result()
    _note(result, "", int8_matrix_product=400.0)
    _note(result, SCANNING_DETECTOR, int8_network=200.0, operations_per_byte=360.0)
    assert roofline(axes, result, None) == (
        "Share of the machine's measured limit: CNN detector 90 ± 0 % (90 GFLOP/s), scan in int8 50 ± 0 % (200 GOP/s)."
    )
    assert {text.get_text() for text in axes.texts} >= {
        "matrix product 100 GFLOP/s",
        "int8 matrix product 400 GOP/s",
        "scan in int8\n50 ± 0 %",
    }


def test_a_result_without_a_scan_has_one_roof() -> None:
    axes = Drawing().subplots()
    assert roofline(axes, _result(), None) == (
        "Share of the machine's measured limit: CNN detector 90 ± 0 % (90 GFLOP/s)."
    )
    assert len(axes.lines) == 2, "a roof and a point"
