"""Use of the detector's scan on the CPU: by FACE_PRECISION, the graph in the store, and the result of the trial."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from model_store import manifest
from model_store.models import CNN_DETECTOR, MODELS, SCANNING_DETECTOR
from service.recognition.contract import ScanTrial, Stage
from service.recognition.engines import scan_trial
from service.recognition.engines.precisions import AUTO, FLOAT32, MIXED
from service.recognition.factory import RecognizerError, open_recognizer

FAST, LIMIT, SLOW = (
    ScanTrial(ratio, 0.0625, kept=True) for ratio in (scan_trial.FASTER / 2, scan_trial.FASTER, 2.0)
)
IN_FLOAT32 = Stage("onnx", "CPUExecutionProvider")


@pytest.fixture
def without_scan(store: Path, tmp_path: Path) -> Path:
    """A model store without the graph of the scan."""
    copied = tmp_path / "store"
    shutil.copytree(store.resolve(), copied, copy_function=os.symlink)
    for path in (manifest.graph_path, manifest.manifest_path):
        path(copied, SCANNING_DETECTOR).unlink(missing_ok=True)
    return copied


@pytest.fixture
def with_scan(without_scan: Path) -> Path:
    """A model store with a graph that can be loaded as the scan's; no test runs it."""
    of_detector = manifest.load(without_scan, CNN_DETECTOR)
    manifest.publish(
        without_scan,
        SCANNING_DETECTOR,
        manifest.graph_path(without_scan, CNN_DETECTOR).read_bytes(),
        source_sha256=of_detector.source_sha256,
        validation=of_detector.validation,
    )
    return without_scan


def detector_stage(store: Path, precision: str) -> Stage:
    with closing(open_recognizer(MODELS[1], store, provider="cpu", precision=precision)) as recognizer:
        return recognizer.stages()["cnn_detections"]


@pytest.mark.parametrize(
    ("precision", "trial", "used"),
    [(AUTO, FAST, True), (AUTO, LIMIT, True), (AUTO, SLOW, False), (MIXED, SLOW, True)],
)
def test_scans_if_it_is_faster_or_forced(
    with_scan: Path, monkeypatch: pytest.MonkeyPatch, precision: str, trial: ScanTrial, used: bool
) -> None:
    monkeypatch.setattr(scan_trial, "trial", lambda *_: trial)
    stage = detector_stage(with_scan, precision)
    assert stage.precision == ("int8 scan" if used else "float32")
    assert stage.trial == trial
    assert (stage.scan is not None) is used


@pytest.mark.parametrize("precision", [AUTO, MIXED])
def test_a_failed_trial_leaves_float32_and_one_warning(
    with_scan: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, precision: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise scan_trial.ScanFault("the scan in int8 differs")

    monkeypatch.setattr(scan_trial, "trial", fail)
    refused = replace(IN_FLOAT32, scan_refused="the scan in int8 differs")
    assert detector_stage(with_scan, precision) == refused
    assert [record.getMessage() for record in caplog.records] == [
        "the CNN detector computes in float32 alone: the scan in int8 differs"
    ]


def test_float32_neither_scans_nor_warns(without_scan: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert detector_stage(without_scan, FLOAT32) == IN_FLOAT32
    assert caplog.records == []


def test_a_missing_graph_is_a_warning_or_an_error_with_the_remedy(
    without_scan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = detector_stage(without_scan, AUTO)
    (warning,) = (record.getMessage() for record in caplog.records)
    assert stage.scan_refused is not None
    assert stage == replace(IN_FLOAT32, scan_refused=stage.scan_refused)
    assert (
        warning
        == f"the CNN detector computes in float32 alone, without its scan in int8: {stage.scan_refused}"
    )
    assert warning.startswith(
        "the CNN detector computes in float32 alone, without its scan in int8: no usable"
    )
    remedy = f"-m conversion {SCANNING_DETECTOR}"
    assert warning.endswith(remedy)
    with pytest.raises(RecognizerError, match=rf"^no usable graph for .* is missing; run: .*{remedy}$"):
        detector_stage(without_scan, MIXED)
