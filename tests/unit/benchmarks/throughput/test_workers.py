"""Worker processes of sides: trials on a real photo, failures, and termination."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.processes import process_tree
from benchmarks.processes.running import ROOT
from benchmarks.throughput import dlib_calls, library_calls
from benchmarks.throughput.sides import SIDES, Side, SideOptions, shared
from benchmarks.throughput.workers import Worker, WorkerFailed
from tests.unit.benchmarks.conftest import Upload
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

DEADLINE = 60.0
"""Timeout in seconds for an end that takes milliseconds."""
OURS = {
    "decode",
    "cnn_detections",
    "hog_confirms",
    "landmarks",
    "chips",
    "descriptors",
    "chips and descriptors",
}
DLIBS = {"decode", "cnn_detections", "hog_detections", "landmarks", "chips and descriptors"}


@pytest.mark.parametrize(
    ("name", "stages"), [("library", OURS), pytest.param("dlib", DLIBS, marks=pytest.mark.slow)]
)
def test_a_trial_has_faces_stages_cpu_seconds_and_memory(
    name: str, stages: set[str], store: Path, upload: Upload
) -> None:
    with SIDES[name](SideOptions(store), 4) as side:
        trial = side.trial([upload(0.3)] * 2, 1)
        assert [len(answer.faces) for _, answer in trial.responses] == [1, 1]
        assert trial.stages.keys() == stages
        assert sum(trial.stages.values()) < sum(trial.latencies) <= trial.seconds
        assert trial.cpu_seconds is not None
        assert trial.cpu_seconds > 0
        peak = side.peak_memory()
        assert peak is not None
        assert peak > 50


def test_the_library_serves_concurrent_callers(store: Path, upload: Upload) -> None:
    with SIDES["library"](SideOptions(store), 3) as side:
        trial = side.trial([upload(0.3)] * 6, 3)
    assert len(trial.latencies) == 6
    assert trial.faces == 6
    assert sum(trial.latencies) > trial.seconds, "the callers waited concurrently"


def test_upstreams_processes_share_a_list_of_photos(store: Path, upload: Upload) -> None:
    with SIDES["upstream"](SideOptions(store), 4) as side:
        assert len(side.processes) == 2
        trial = side.trial([upload(0.02)] * 5, 2)
        assert len(trial.latencies) == 5
        alone = side.trial([upload(0.02)], 2)
        assert len(alone.latencies) == 1


def test_reports_why_a_side_cannot_be_opened(tmp_path: Path) -> None:
    with (
        closing(Worker("library", library_calls.library_call, str(tmp_path), 4)) as worker,
        pytest.raises(WorkerFailed, match=r"library failed: .*python -m model_store fetch"),
    ):
        worker.result()


def test_a_failed_photo_names_the_side(store: Path) -> None:
    with (
        SIDES["library"](SideOptions(store), 3) as side,
        pytest.raises(WorkerFailed, match="library failed"),
    ):
        side.trial([b"no photo"], 1)


def test_detects_a_dead_worker(store: Path, upload: Upload) -> None:
    with closing(Worker("dlib", dlib_calls.dlib_call, _weights(store), 3, False)) as worker:
        worker.result()
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="dlib died"):
            shared([worker], [upload(0.02)])


_PARENT = """
import sys
from pathlib import Path
from benchmarks.throughput.sides import SIDES, SideOptions
with SIDES["library"](SideOptions(Path(sys.argv[1])), 3) as side:
    print(side.processes[0], flush=True)
    side.trial([Path(sys.argv[2]).read_bytes()] * 100_000, 1)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_worker_ends_with_its_parent_and_prints_nothing(
    number: signal.Signals, store: Path, upload: Upload, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(upload(0.02))
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(store.resolve()), str(tmp_path / "photo")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    # A terminal's Ctrl-C reaches all processes.
    os.killpg(parent.pid, number) if number == signal.SIGINT else parent.kill()
    try:
        _, errors = parent.communicate(timeout=DEADLINE)
    finally:
        parent.kill()
    assert errors.count("Traceback") == (1 if number == signal.SIGINT else 0), "only the parent's own"
    eventually("the worker has ended", lambda: not _runs(worker), DEADLINE)


def _runs(process: int) -> bool:
    try:
        state = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_memory_covers_all_processes_of_a_side(store: Path) -> None:
    with SIDES["upstream"](SideOptions(store), 3) as side:
        peaks = [process_tree.peak_memory(process) for process in side.processes]
        assert side.peak_memory() == pytest.approx(sum(peaks), rel=0.1)
        assert Side("remote", side.run).peak_memory() is None


def _weights(store: Path) -> dict[str, str]:
    names = {
        "detector": "mmod_human_face_detector",
        "landmarks": "shape_predictor_5_face_landmarks",
        "network": "dlib_face_recognition_resnet_model_v1",
    }
    return {part: str(store / "weights" / f"{name}.dat") for part, name in names.items()}
