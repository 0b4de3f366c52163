"""Sides in processes of their own: what they say about a real photo, and how they end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.harness import processes
from benchmarks.harness.running import ROOT
from benchmarks.throughput import with_dlib, with_library
from benchmarks.throughput.sides import SIDES as OPENERS
from benchmarks.throughput.sides import Setting, Side, shared
from benchmarks.throughput.workers import Worker, WorkerFailed
from tests.unit.benchmarks.throughput.conftest import Upload

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

DEADLINE = 60.0
"""Seconds for what takes milliseconds."""
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
def test_a_side_says_faces_stages_cpu_seconds_and_memory(
    name: str, stages: set[str], store: Path, upload: Upload
) -> None:
    with OPENERS[name](Setting(store), 4) as side:
        turn = side.turn([upload(0.3)] * 2, 1)
        assert [len(answer.faces) for _, answer in turn.answers] == [1, 1]
        assert turn.stages.keys() == stages
        assert sum(turn.stages.values()) < sum(turn.latencies) <= turn.seconds
        assert turn.cpu_seconds is not None
        assert turn.cpu_seconds > 0
        peak = side.peak_memory()
        assert peak is not None
        assert peak > 50


def test_several_callers_ask_the_library_at_once(store: Path, upload: Upload) -> None:
    with OPENERS["library"](Setting(store), 3) as side:
        turn = side.turn([upload(0.3)] * 6, 3)
    assert len(turn.latencies) == 6
    assert turn.faces == 6
    assert sum(turn.latencies) > turn.seconds, "they waited at the same time"


def test_upstreams_processes_share_a_list_of_photos(store: Path, upload: Upload) -> None:
    with OPENERS["upstream"](Setting(store), 4) as side:
        assert len(side.processes) == 2
        turn = side.turn([upload(0.02)] * 5, 2)
        assert len(turn.latencies) == 5
        alone = side.turn([upload(0.02)], 2)
        assert len(alone.latencies) == 1


def test_a_side_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with (
        closing(Worker("library", with_library.opened, str(tmp_path), 4)) as worker,
        pytest.raises(WorkerFailed, match=r"library failed: .*python -m model_store fetch"),
    ):
        worker.result()


def test_a_photo_that_fails_names_the_side(store: Path) -> None:
    with OPENERS["library"](Setting(store), 3) as side, pytest.raises(WorkerFailed, match="library failed"):
        side.turn([b"no photo"], 1)


def test_a_worker_that_dies_is_noticed(store: Path, upload: Upload) -> None:
    with closing(Worker("dlib", with_dlib.opened, _weights(store), 3, False)) as worker:
        worker.result()
        os.kill(worker.number, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="dlib died"):
            shared([worker], [upload(0.02)])


_PARENT = """
import sys
from pathlib import Path
from benchmarks.throughput.sides import SIDES, Setting
with SIDES["library"](Setting(Path(sys.argv[1])), 3) as side:
    print(side.processes[0], flush=True)
    side.turn([Path(sys.argv[2]).read_bytes()] * 100_000, 1)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_worker_ends_with_its_parent_and_says_nothing(
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
    # A terminal's Ctrl-C reaches all of them.
    os.killpg(parent.pid, number) if number == signal.SIGINT else parent.kill()
    try:
        _, said = parent.communicate(timeout=DEADLINE)
    finally:
        parent.kill()
    assert said.count("Traceback") == (1 if number == signal.SIGINT else 0), "the parent's own, at most"
    deadline = time.monotonic() + DEADLINE
    while _runs(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        state = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_memory_and_time_are_of_all_processes_of_a_side(store: Path) -> None:
    with OPENERS["upstream"](Setting(store), 3) as side:
        peaks = [processes.peak_memory(process) for process in side.processes]
        assert side.peak_memory() == pytest.approx(sum(peaks), rel=0.1)
        assert Side("remote", side.run).peak_memory() is None


def _weights(store: Path) -> dict[str, str]:
    names = {
        "detector": "mmod_human_face_detector",
        "landmarks": "shape_predictor_5_face_landmarks",
        "network": "dlib_face_recognition_resnet_model_v1",
    }
    return {part: str(store / "weights" / f"{name}.dat") for part, name in names.items()}
