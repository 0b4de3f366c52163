"""History page of many results."""

import re

from benchmarks.report.history import page
from tests.synthetic_result import HOSTILE, quick, rich

FIRST, SECOND, THIRD = "2026-01-05T10:00:00+00:00", "2026-02-05T10:00:00+02:00", "2026-03-05T10:00:00+00:00"


def test_the_table_starts_with_the_newest_run_and_the_trend_with_the_oldest() -> None:
    text = page([rich(SECOND, times=12), rich(THIRD, times=15), rich(FIRST, times=9)])
    assert re.findall(r'<th scope="row" class="made">(.*?)<br>', text) == [
        "5 March 2026, 10:00 UTC",
        "5 February 2026, 08:00 UTC",
        "5 January 2026, 10:00 UTC",
    ]
    assert re.search(r"Latest: A 1[45]", text)


def test_one_line_per_machine() -> None:
    text = page([rich(FIRST), rich(SECOND, processor=HOSTILE)])
    assert re.search(r"Latest: A [\d.]+ ± [\d.]+×, B [\d.]+ ± [\d.]+×", text)
    assert "<b>A</b> AMD EPYC 9354, 2 cores</li>" in text
    assert HOSTILE not in text
    assert "&lt;img src=x" in text


def test_versions_that_changed_on_a_machine_are_marked() -> None:
    newer = rich(THIRD)
    newer.facts["versions"]["onnxruntime"] = "1.27.0"
    text = page([newer, rich(FIRST), rich(SECOND, processor="another")])
    assert re.findall("<b>(onnx.*?)</b>", text) == ["onnxruntime 1.27.0"]
    assert text.count("<b>") == 3  # and the two machines' letters


def test_a_run_without_figures_or_facts_has_a_row() -> None:
    text = page([quick()])
    assert "unknown machine" in text
    assert "No run has figures for a trend." in text


def test_renders_a_page_without_runs() -> None:
    assert "0 runs" in page([])


def test_one_run_is_enough_for_a_trend() -> None:
    assert "Latest: A" in page([rich()])
