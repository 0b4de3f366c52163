"""Differences of the scan's answers from those in float32, and the exit status."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks.studies import distortions
from benchmarks.studies.distortions import Differences
from service.recognition.contract import ScanFigures, Stage
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face, Recognizer

ONE = Face(Rectangle(10, 20, 110, 120), 1.05, np.full((5, 2), 40, np.int64), np.zeros(128, np.float32))
OTHER = replace(ONE, box=Rectangle(200, 20, 300, 120), confidence=0.5)
BOTH = [ONE, OTHER]


def _differences(scanned: list[Face]) -> Differences:
    differences = Differences()
    differences.add(BOTH, scanned)
    return differences


def test_equal_answers_are_the_same() -> None:
    assert _differences(list(BOTH)) == Differences(photos=1, faces=2)
    assert _differences(list(BOTH)).same


@pytest.mark.parametrize(
    ("scanned", "found"),
    [
        ([ONE], {"missed": 1}),
        ([*BOTH, replace(ONE, box=Rectangle(0, 0, 9, 9))], {"added": 1}),
        ([replace(ONE, box=Rectangle(11, 20, 110, 120)), OTHER], {"missed": 1, "added": 1}),
        ([OTHER, ONE], {"changed": 2}),
        ([replace(ONE, landmarks=ONE.landmarks + 1), OTHER], {"changed": 1}),
        ([replace(ONE, confidence=1.3), OTHER], {"confidence": 0.25}),
        ([ONE, replace(OTHER, descriptor=OTHER.descriptor + 0.25)], {"descriptor": 0.25}),
    ],
)
def test_any_difference_is_found(scanned: list[Face], found: dict[str, float]) -> None:
    differences = _differences(scanned)
    assert vars(differences) == pytest.approx(vars(Differences(photos=1, faces=2, **found)))  # type: ignore[arg-type]
    assert not differences.same


@pytest.mark.parametrize(
    ("scanned", "status", "line"),
    [
        (BOTH, 0, "1 comparisons: all answers are the same"),
        ([ONE], 1, "1 comparisons: answers differ"),
    ],
)
def test_a_difference_is_the_exit_status(
    scanned: list[Face],
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scan = ScanFigures(photos=2, crowded=1, scores=4000, rescored=100, largest_error=0.0625)
    monkeypatch.setattr(distortions, "compared", lambda *_: iter([("4, plain", _differences(scanned), scan)]))
    assert distortions.main(["."]) == status
    _, row, last = capsys.readouterr().out.splitlines()
    assert row.startswith("4, plain")
    assert last == line
    assert row.split()[-5:] == ["0", "100", "2.50", "%", "0.062"]


def test_photos_in_float32_alone_are_no_comparison(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = ScanFigures(photos=2, crowded=1, deviating=1)
    monkeypatch.setattr(distortions, "compared", lambda *_: iter([("4, plain", _differences(BOTH), scan)]))
    assert distortions.main(["."]) == 2
    assert capsys.readouterr().err.endswith("no answer of the scan was compared\n")


def test_counts_are_those_of_the_photos_between_two_states() -> None:
    before = ScanFigures(photos=3, crowded=1, scores=4000, rescored=100, largest_error=0.0625)
    now = ScanFigures(photos=5, crowded=1, deviating=1, scores=6000, rescored=300, largest_error=0.125)
    assert distortions.since(before, now) == ScanFigures(
        photos=2, deviating=1, scores=2000, rescored=200, largest_error=0.125
    )


def test_a_folder_without_photos_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert distortions.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"there are no photos in {tmp_path}\n"


def test_a_detector_without_a_scan_is_not_compared() -> None:
    stage = Stage("onnx", "CPUExecutionProvider", scan_refused="it differs by 0.5")
    recognizer = SimpleNamespace(stages=lambda: {"cnn_detections": stage})
    with pytest.raises(distortions.NoScan, match=r"runs in float32, not with a scan in int8: it differs by"):
        distortions.scan_figures(cast(Recognizer, recognizer))


@pytest.mark.slow
def test_the_scan_finds_the_faces_of_distorted_photos(
    photos: dict[str, Path], store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(photos["obama2.jpg"], tmp_path)
    options = ["--models", "1", "--megapixels", "0.2", "--store", str(store)]
    assert distortions.main([str(tmp_path), *options]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"{len(distortions.COPIES)} comparisons: all answers are the same"
