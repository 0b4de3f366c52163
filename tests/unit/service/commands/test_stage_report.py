"""The report of the command `check`, on the real weights."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.commands.errors import CommandError
from service.commands.stage_report import MemoryStopwatch, stage_report
from service.recognition.contract import EngineError, ScanTrial, Stage
from service.recognition.ort.sessions import Session, SharedSessions
from service.recognition.recognizer import Recognizer
from service.settings import Settings


def _settings(store: Path, **settings: object) -> Settings:
    given = {"FACE_MODEL": 3, "FACE_STORE": store, "FACE_PROVIDERS": "cpu", **settings}
    return Settings.model_validate(given)


def test_fails_if_dlib_computes_a_network_instead(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Session, value: NDArray[np.generic]) -> None:
        raise EngineError("planted: the device went away")

    monkeypatch.setattr(Session, "run", fail)
    with pytest.raises(CommandError, match=r"^descriptors fails on CPUExecutionProvider, and dlib"):
        stage_report(_settings(store), None)


def test_names_a_missing_photo(store: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "photo.jpg"
    with pytest.raises(CommandError, match=f"^{nowhere} cannot be read: No such file or directory$"):
        stage_report(_settings(store), nowhere)


def test_measures_and_reports_a_photo_over_the_accepted_area(store: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (400, 300)).save(photo)
    settings = _settings(store)
    assert "412" not in stage_report(settings, photo)
    report = stage_report(settings.model_copy(update={"maximum_area": 100_000}), photo).splitlines()
    assert report[-1].startswith("/detect would answer 412 to a photo of this size: 106250 pixels at most")
    assert any(line.startswith("  hog_detections") for line in report)


@pytest.mark.not_quick
def test_measures_memory_that_a_stage_allocates_and_frees() -> None:
    gc.collect()  # garbage of other tests would be freed within the stage
    stopwatch = MemoryStopwatch()

    def stage() -> int:
        return int(np.ones(400_000_000, np.uint8).sum())

    assert stopwatch.time(stage) == 400_000_000
    assert 360e6 < stopwatch.growth["stage"] < 600e6
    stopwatch.time(abs, 0)
    assert stopwatch.growth["abs"] < 50e6
    assert stopwatch.peak > 400e6


def test_reports_runs_on_the_cpu(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedSessions, "cpu_fallback_runs", 2)
    report = stage_report(_settings(store), None)
    assert "    2 runs of it on the CPU: the device had too little memory" in report.splitlines()
    assert "GPU memory" not in report


def test_reports_the_precision_and_the_trial_of_a_scan(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = Recognizer.stages

    def scanning(self: Recognizer) -> dict[str, Stage]:
        trial = ScanTrial(0.4375, 0.0625, kept=True, file="/cache/scan-trial.json")
        found = stages(self)
        return {**found, "descriptors": replace(found["descriptors"], precision="int8 scan", trial=trial)}

    monkeypatch.setattr(Recognizer, "stages", scanning)
    lines = stage_report(_settings(store), None).splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("  descriptors"))
    assert lines[number + 1 : number + 3] == [
        "    int8 scan; trial of the scan in int8: 0.44 of the time in float32 (measured at an earlier start), "
        "largest error 0.062",
        "    its time is kept in /cache/scan-trial.json: without this file, it is measured again",
    ]
    assert sum("float32" in line for line in lines) == 1


def test_reports_that_the_cnn_detector_computes_in_float32(store: Path) -> None:
    lines = stage_report(_settings(store, FACE_MODEL=1, FACE_PRECISION="float32"), None).splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("  cnn_detections"))
    assert lines[number + 1] == "    float32"


def test_reports_why_there_is_no_scan(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = Recognizer.stages

    def refused(self: Recognizer) -> dict[str, Stage]:
        found = stages(self)
        return {**found, "descriptors": replace(found["descriptors"], scan_refused="it differs by 0.500")}

    monkeypatch.setattr(Recognizer, "stages", refused)
    assert (
        "    float32; no scan in int8: it differs by 0.500"
        in stage_report(_settings(store), None).splitlines()
    )
