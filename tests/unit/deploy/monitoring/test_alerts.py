"""The alert rules, in promtool's own evaluation: each fires on its condition, and on nothing else."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests import documentation
from tests.documentation import DOCS
from tests.unit.deploy.monitoring.promtool import ALERTS, metrics_in, needs_promtool, promtool, rules

NAMES = [rule["alert"] for rule in rules()]


class Case(NamedTuple):
    """Series of one sample a minute, in promtool's notation (`0x60 1x60`: an hour of 0, then an hour of 1)."""

    alert: str
    series: dict[str, str]
    minute: int
    """Time of the evaluation."""
    firing: int
    """Number of alerts."""


def requests(endpoint: str, status: str) -> str:
    return f'face_requests_total{{instance="a",endpoint="{endpoint}",status="{status}"}}'


RESTARTS = 'face_worker_restarts_total{instance="a",cause="SIGSEGV"}'
FALLBACKS = 'face_fallbacks_total{instance="a",stage="descriptors"}'
ON_CPU = 'face_runs_on_cpu_total{instance="a",stage="cnn_detections"}'


def stage(provider: str, device: str, engine: str = "onnx") -> str:
    return f'face_stage_info{{engine="{engine}",provider="{provider}",device="{device}",stage="descriptors"}}'


CPU, GPU = "CPUExecutionProvider", "CUDAExecutionProvider"

CASES = (
    Case("FaceModelDown", {'up{job="face-model"}': "1x9 0x20"}, 13, 1),
    Case("FaceModelDown", {'up{job="face-model"}': "1x9 0 1x20"}, 13, 0),  # one failed scrape
    Case("FaceModelDown", {'up{job="another"}': "0x20"}, 13, 0),
    Case("FaceModelNotReady", {"face_ready": "1x9 0x20"}, 13, 1),
    Case("FaceModelNotReady", {"face_ready": "1x9 0 1x20"}, 11, 0),  # a worker process was replaced
    Case("FaceModelPhotosFailed", {requests("/detect", "500"): "0x9 1x60"}, 12, 1),
    Case(
        "FaceModelPhotosFailed",
        {requests("/detect", "500"): "0x9 1x60", requests("/compute", "415"): "0x9 2x60"},
        12,
        2,
    ),
    Case("FaceModelPhotosFailed", {requests("/detect", "500"): "0x9 1x120"}, 100, 0),  # more than an hour ago
    Case("FaceModelPhotosFailed", {requests("/detect", "200"): "0+5x60"}, 12, 0),
    Case("FaceModelPhotosFailed", {requests("/detect", "499"): "0+5x60"}, 12, 0),
    Case("FaceModelPhotosFailed", {requests("/open", "503"): "0+5x60"}, 12, 0),
    Case("FaceModelWorkerRestarted", {RESTARTS: "_x9 1x60"}, 12, 1),  # the first death makes the series
    Case("FaceModelWorkerRestarted", {RESTARTS: "1x70 2x60"}, 75, 1),
    Case("FaceModelWorkerRestarted", {RESTARTS: "_x9 1x120"}, 100, 0),
    Case("FaceModelFallback", {FALLBACKS: "0x9 1x60"}, 12, 1),
    Case("FaceModelFallback", {FALLBACKS: "3x9 1x60"}, 12, 1),  # counted from 0 by a new worker process
    Case("FaceModelFallback", {FALLBACKS: "3x60"}, 12, 0),
    Case("FaceModelRunsOnCpu", {ON_CPU: "0x9 1x60"}, 12, 1),
    Case("FaceModelRunsOnCpu", {ON_CPU: "0x60"}, 12, 0),
    Case("FaceModelScanRefused", {"face_scan_refused": "1x20"}, 6, 1),
    Case("FaceModelScanRefused", {"face_scan_refused": "1x20"}, 3, 0),
    Case("FaceModelScanRefused", {"face_scan_refused": "0x20"}, 6, 0),
    Case("FaceModelScanStopped", {"face_scan_stopped": "0x9 1x20"}, 12, 1),
    Case("FaceModelScanStopped", {"face_scan_stopped": "0x20"}, 12, 0),
    Case("FaceModelDeviceLost", {"face_device_quarantined": "0x9 1x20"}, 12, 1),
    Case("FaceModelDeviceLost", {"face_device_quarantined": "1x9 0x20"}, 12, 0),  # it is tried again
    Case("FaceModelGpuUnused", {stage(CPU, "gpu"): "1x20"}, 6, 1),
    Case("FaceModelGpuUnused", {stage(CPU, "cpu"): "1x20"}, 6, 0),
    Case("FaceModelGpuUnused", {stage(GPU, "gpu"): "1x20", stage("cpu", "gpu", "compiled"): "1x20"}, 6, 0),
)


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    for name in NAMES:
        assert {bool(case.firing) for case in CASES if case.alert == name} == {True, False}, name
    assert {case.alert for case in CASES} == set(NAMES)


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    assert promtool("check", "rules", str(ALERTS)) == (
        0,
        f"Checking {ALERTS}\n  SUCCESS: {len(NAMES)} rules found\n\n",
    )


@needs_promtool
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.minute}-{case.firing}")
def test_fires(case: Case, tmp_path: Path) -> None:
    assert faults(case, tmp_path) == ""


@needs_promtool
def test_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    assert "FAILED" in faults(CASES[0]._replace(firing=0), tmp_path)
    assert "FAILED" in faults(CASES[1]._replace(firing=1), tmp_path)


def faults(case: Case, folder: Path) -> str:
    """Output of promtool for a case that does not hold; empty if it does."""
    firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    expected = {"expr": firing, "eval_time": f"{case.minute}m"}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [{**expected, "exp_samples": [{"labels": "{}", "value": case.firing}]}],
    }
    file = folder / "test.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]})
    )
    status, output = promtool("test", "rules", str(file))
    return output if status else ""


@pytest.mark.parametrize("rule", rules(), ids=NAMES)
def test_an_alert_says_what_happened_and_how_to_repair_it(rule: dict[str, dict[str, str]]) -> None:
    assert rule["annotations"].keys() == {"summary", "description", "repair"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    for text in rule["annotations"].values():
        assert len(text) > 30
        for path in documentation.DOCS.parent.glob("docs/*/*.md"):
            assert f"/{path.name}" not in text or f"docs/{path.parent.name}/{path.name}" in text


def test_every_alert_is_documented_with_its_metric() -> None:
    table = documentation.rows(documentation.text_of(DOCS / "guide" / "monitoring.md"), "Alerts")
    documented = {documentation.inline_code(cells[0])[0]: cells[1] for cells in table}
    assert documented.keys() == set(NAMES)
    for rule in rules():
        for metric in metrics_in(rule["expr"]):
            assert metric in documented[rule["alert"]], rule["alert"]
