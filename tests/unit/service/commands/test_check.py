import gc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.commands import check
from service.recognition.contract import EngineError
from service.recognition.ort.sessions import Session, SharedSessions
from service.settings import Settings


def _settings(store: Path) -> Settings:
    return Settings.model_validate({"FACE_MODEL": 3, "FACE_STORE": store, "FACE_PROVIDERS": "cpu"})


def test_a_network_that_dlib_has_to_compute_is_no_success(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Session, value: NDArray[np.generic]) -> None:
        raise EngineError("planted: the device went away")

    monkeypatch.setattr(Session, "run", fail)
    with pytest.raises(check.CheckError, match=r"^descriptors fails on CPUExecutionProvider, and dlib"):
        check.report(_settings(store), None)


def test_a_photo_that_is_not_there_is_named(store: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "photo.jpg"
    with pytest.raises(check.CheckError, match=f"^{nowhere} cannot be read: No such file or directory$"):
        check.report(_settings(store), nowhere)


def test_a_photo_too_large_to_be_searched_is_checked_and_said_to_be(store: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (400, 300)).save(photo)
    settings = _settings(store)
    assert "412" not in check.report(settings, photo)
    said = check.report(settings.model_copy(update={"maximum_area": 100_000}), photo).splitlines()
    assert said[-1].startswith("/detect would answer 412 to a photo of this size: 106250 pixels at most")
    assert any(line.startswith("  hog_detections") for line in said)


@pytest.mark.not_quick
def test_memory_that_a_stage_takes_and_gives_back_is_seen() -> None:
    gc.collect()  # what other tests left behind would be given back in the middle
    watch = check.GrowthWatch()

    def stage() -> int:
        return int(np.ones(400_000_000, np.uint8).sum())

    assert watch.time(stage) == 400_000_000
    assert 360e6 < watch.growth["stage"] < 600e6
    watch.time(abs, 0)
    assert watch.growth["abs"] < 50e6
    assert watch.peak > 400e6


def test_reports_runs_by_cpu_fallback(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedSessions, "cpu_fallback_runs", 2)
    said = check.report(_settings(store), None)
    assert "    2 runs of it by the CPU, for want of memory on the device" in said.splitlines()
    assert "GPU memory" not in said
