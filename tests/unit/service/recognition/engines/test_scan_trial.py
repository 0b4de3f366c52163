"""Trial of the scan: errors that it refuses, and the measured time that it keeps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from service import cpu_flags
from service.recognition.cnn import scan_kinds
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.scan import ERROR_LIMIT
from service.recognition.cnn.scanning_detector import ScanningDetector
from service.recognition.compute import code_folders, machine_code
from service.recognition.compute.cores import Cores
from service.recognition.contract import ScanTrial
from service.recognition.engines import scan_trial
from service.recognition.engines.scan_trial import ScanFault
from service.recognition.ort.providers import CPU, CUDA
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import group

SHA256S = ("0" * 64, "f" * 64)


class Detector:
    """Fake of a ScanningDetector: scores that the test chooses, and the time of each scan in seconds.

    Attributes:
        scans: number of scans.
    """

    def __init__(
        self,
        exact: list[float],
        scanned: list[float],
        seconds: float = 0.0,
        of_blocks: float = 0.0,
        provider: str = CPU.official,
    ) -> None:
        self.exact = self
        self.kind = scan_kinds.INT8
        self.network = SimpleNamespace(provider=provider)
        self._of_blocks = of_blocks
        self._exact, self._scanned = (np.array([scores], np.float32) for scores in (exact, scanned))
        self._seconds = seconds
        self.scans = 0

    def scores(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert image.flags.c_contiguous
        time.sleep(0.002)
        return self._exact

    def scanned_scores(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert image.flags.c_contiguous
        self.scans += 1
        time.sleep(self._seconds)
        return self._scanned

    def block_scores(self, image: NDArray[np.uint8], block: Block) -> NDArray[np.float32]:
        return self._exact[block.slices] + np.float32(self._of_blocks)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of machine code; a small picture, since the fake detector does not read it."""
    monkeypatch.setattr(scan_trial, "group", lambda: np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(code_folders, "folders", lambda: (tmp_path / "first", tmp_path / "second"))
    return tmp_path / "first"


@pytest.fixture
def cores() -> Iterator[Cores]:
    with closing(Cores()) as opened:
        yield opened


def tried(detector: Detector, cores: Cores) -> ScanTrial:
    return scan_trial.trial(cast(ScanningDetector, detector), cores, SHA256S)


def test_measures_at_the_first_start_alone(folder: Path, cores: Cores) -> None:
    slow, fast = (Detector([0.5], [0.5], seconds) for seconds in (0.02, 0.0))
    first = tried(slow, cores)
    assert first.time_ratio > 2
    assert not first.kept
    assert slow.scans > scan_trial.RUNS
    assert tried(fast, cores) == replace(first, kept=True)
    assert fast.scans == 1  # each start compares the scores
    (file,) = folder.iterdir()
    assert str(file) == first.file
    assert json.loads(file.read_bytes()) == {"time_ratio": first.time_ratio}


@pytest.mark.parametrize("cores_of_a_photo", [0, 1])
def test_measures_each_number_of_cores_of_a_photo_once(folder: Path, cores_of_a_photo: int) -> None:
    detector = Detector([0.5], [0.5])
    with closing(Cores(cores_of_a_photo)) as cores:
        tried(detector, cores)
        shares = min(len(cores.widths), 2)
    assert detector.scans == 1 + shares * scan_trial.RUNS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"time_ratio":null}',
        b'{"time_ratio":NaN}',
        b'{"time_ratio":"0.5"}',
        b'{"time_ratio":0}',
        b'{"time_ratio":1' + 400 * b"0" + b"}",
        b'{"time_ratio":' + 100_000 * b"[",
    ],
    ids=range(9),
)
def test_measures_again_if_the_file_is_damaged(folder: Path, cores: Cores, content: bytes) -> None:
    tried(Detector([0.5], [0.5]), cores)
    (file,) = folder.iterdir()
    file.write_bytes(content)
    assert not tried(Detector([0.5], [0.5]), cores).kept
    assert tried(Detector([0.5], [0.5]), cores).kept


def test_measures_at_each_start_if_no_folder_can_be_written(
    folder: Path, cores: Cores, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text("no folder")
    for _ in range(2):
        trial = tried(Detector([0.5], [0.5]), cores)
        assert (trial.kept, trial.file) == (False, None)


def test_measures_a_device_once_and_apart_from_the_cpu(folder: Path, cores: Cores) -> None:
    tried(Detector([0.5], [0.5]), cores)
    on_device = Detector([0.5], [0.5], provider=CUDA.official)
    assert not tried(on_device, cores).kept
    assert on_device.scans == 1 + scan_trial.RUNS
    assert tried(on_device, cores).kept


def test_measures_again_for_other_graphs_sources_processors_or_numbers_of_cores(
    cores: Cores, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = (SHA256S, ("1" * 64, SHA256S[1]), (SHA256S[0], "1" * 64))
    names = {scan_trial.file_name(cores, sha256s) for sha256s in graphs}
    names.add(scan_trial.file_name(cores, SHA256S, CUDA.official, "NVIDIA GeForce RTX 3060"))
    with closing(Cores(cores.total + 1)) as others:
        names.add(scan_trial.file_name(others, SHA256S))
    monkeypatch.setattr(cpu_flags, "CPUINFO", Path("/nonexistent"))
    names.add(scan_trial.file_name(cores, SHA256S))
    monkeypatch.setattr(onnxruntime, "__version__", "0.0")
    names.add(scan_trial.file_name(cores, SHA256S))
    monkeypatch.setattr(machine_code, "sources", lambda: b"other sources")
    names.add(scan_trial.file_name(cores, SHA256S))
    assert len(names) == 8


def test_reports_the_largest_error_of_scores_above_minus_one(folder: Path, cores: Cores) -> None:
    trial = tried(Detector([1.0, -0.9, -1.1, -9.0], [1.0625, -0.875, 5.0, 0.0]), cores)
    assert trial.largest_error == 0.0625


@pytest.mark.parametrize(
    ("exact", "scanned", "difference"),
    [
        (
            [1.0, -5.0],
            [1.5, -5.0],
            rf"differs by 0\.500 from a score of the synthetic picture, and {ERROR_LIMIT:g} is",
        ),
        ([1.0, -5.0], [1.0, np.nan], "computed 1 of 2 scores of the synthetic picture as infinite or NaN"),
        (
            [1.0, -5.0],
            [-np.inf, np.inf],
            "computed 2 of 2 scores of the synthetic picture as infinite or NaN",
        ),
        ([1.0, -5.0], [1.0], r"has \(1, 1\) scores of the synthetic picture instead of \(1, 2\)"),
    ],
)
def test_refuses_a_scan_that_differs_and_names_the_processor(
    folder: Path, cores: Cores, exact: list[float], scanned: list[float], difference: str
) -> None:
    with pytest.raises(ScanFault, match=f"^the scan in int8 {difference}") as fault:
        tried(Detector(exact, scanned), cores)
    assert f"this processor ({cpu_flags.processor_name()}, onnxruntime " in str(fault.value)
    assert "\n" not in str(fault.value)
    assert not folder.exists()
    with pytest.raises(ScanFault, match=rf"on this device \(None, {CUDA.official}, onnxruntime "):
        tried(Detector(exact, scanned, provider=CUDA.official), cores)


@pytest.mark.parametrize("error", [2e-5, np.nan])
def test_refuses_a_scan_whose_blocks_differ(folder: Path, cores: Cores, error: float) -> None:
    tried(Detector([1.0, -5.0], [1.0, -5.0], of_blocks=1e-6), cores)
    with pytest.raises(ScanFault, match=r"^the scan in int8 has a block .* whose scores differ by"):
        tried(Detector([1.0, -5.0], [1.0, -5.0], of_blocks=error), cores)


def test_the_picture_is_large_enough_for_a_measurement() -> None:
    picture = group()
    assert picture.shape == (400, 510, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
