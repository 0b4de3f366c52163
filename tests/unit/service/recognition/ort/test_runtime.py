"""ONNX Runtime without telemetry."""

import subprocess
import sys
from pathlib import Path

import pytest

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.ort.runtime import onnxruntime
from tests.paths import ROOT

_SESSION = """
import sys
from pathlib import Path
{first}
from service.recognition.ort.sessions import Session
Session(Path(sys.argv[1]))
"""


def _home_after(first: str, store: Path, home: Path) -> set[str]:
    """Files in the home folder after a process has opened a session."""
    graph = manifest.graph_path(store, CNN_DETECTOR)
    subprocess.run(
        [sys.executable, "-c", _SESSION.format(first=first), str(graph.resolve())],
        cwd=ROOT,
        # No other variable: CI or GITHUB_ACTIONS would switch the telemetry off.
        env={"HOME": str(home)},
        check=True,
    )
    return {path.name for path in home.rglob("*")}


@pytest.mark.skipif(sys.platform != "linux", reason="the telemetry of other systems leaves no such file")
def test_sends_no_telemetry(store: Path, tmp_path: Path) -> None:
    assert not _home_after("", store, tmp_path) & {"deviceid", "onnxruntime.db"}


@pytest.mark.skipif(sys.platform != "linux", reason="the telemetry of other systems leaves no such file")
@pytest.mark.skipif(
    onnxruntime.package_name != "onnxruntime", reason="the other wheels, 1.24 and 1.26, have none yet"
)
def test_telemetry_leaves_files_without_the_module(store: Path, tmp_path: Path) -> None:
    """Control of the test above. It fails once ONNX Runtime has no telemetry; both can be deleted then."""
    assert {"deviceid", "onnxruntime.db"} <= _home_after("import onnxruntime", store, tmp_path)
