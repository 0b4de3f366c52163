"""ONNX Runtime tells nobody that it runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.ort.runtime import onnxruntime

ROOT = Path(__file__).parents[5]

_SESSION = """
import sys
from pathlib import Path
{first}
from service.recognition.ort.sessions import Session
Session(Path(sys.argv[1]))
"""


def _home_after(first: str, store: Path, home: Path) -> set[str]:
    """What a process that opens a session leaves in its home folder."""
    graph = manifest.graph_path(store, CNN_DETECTOR)
    subprocess.run(
        [sys.executable, "-c", _SESSION.format(first=first), str(graph.resolve())],
        cwd=ROOT,
        # Nothing else: it is silent by itself where a variable says that this is a build, CI or GITHUB_ACTIONS.
        env={"HOME": str(home)},
        check=True,
    )
    return {path.name for path in home.rglob("*")}


@pytest.mark.skipif(sys.platform != "linux", reason="the telemetry of other systems leaves no such file")
def test_no_telemetry_is_gathered(store: Path, tmp_path: Path) -> None:
    assert not _home_after("", store, tmp_path) & {"deviceid", "onnxruntime.db"}


@pytest.mark.skipif(sys.platform != "linux", reason="the telemetry of other systems leaves no such file")
@pytest.mark.skipif(
    onnxruntime.package_name != "onnxruntime", reason="the other wheels, 1.24 and 1.26, have none yet"
)
def test_without_the_module_it_would_be(store: Path, tmp_path: Path) -> None:
    """The test above looks for the right thing: this fails when ONNX Runtime stops, and both can go then."""
    assert {"deviceid", "onnxruntime.db"} <= _home_after("import onnxruntime", store, tmp_path)
