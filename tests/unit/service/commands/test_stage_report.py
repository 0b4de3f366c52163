"""The report of the command `check`, on the real weights."""

import gc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.commands.errors import CommandError
from service.commands.stage_report import MemoryStopwatch, stage_report
from service.recognition.contract import EngineError
from service.recognition.ort.sessions import Session, SharedSessions
from service.settings import Settings


def _settings(store: Path) -> Settings:
    return Settings.model_validate({"FACE_MODEL": 3, "FACE_STORE": store, "FACE_PROVIDERS": "cpu"})


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
