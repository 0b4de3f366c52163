"""The dlib engine's processes: killed ones are replaced, and they end with the program."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.processes import process_tree
from model_store.models import DLIB_RESNET, FIVE_POINTS
from service.recognition.contract import EngineError
from service.recognition.engines import dlib
from service.recognition.engines.dlib import DlibEngine
from tests.paths import ROOT
from tests.processes import is_running
from tests.waiting import eventually

Pictures = dict[str, NDArray[np.uint8]]


def _files(store: Path) -> list[str]:
    """Landmarks and network, as text."""
    return [str(store.resolve() / "weights" / f"{name}.dat") for name in (FIVE_POINTS, DLIB_RESNET)]


def _engine(store: Path) -> DlibEngine:
    landmarks, network = map(Path, _files(store))
    return DlibEngine(None, landmarks, network, processes=1)


def _process_id(engine: DlibEngine) -> int:
    process = engine._workers[0]._process
    assert process is not None
    return process.pid


@pytest.fixture(scope="module")
def large(pictures: Pictures) -> NDArray[np.uint8]:
    """A photo that takes the HOG detector seconds."""
    return np.ascontiguousarray(np.tile(pictures["astronaut.png"], (4, 4, 1)))


def test_idle_process_that_is_killed_is_replaced(store: Path, pictures: Pictures) -> None:
    with closing(_engine(store)) as engine:
        before = engine.hog_detections(pictures["astronaut.png"])
        os.kill(_process_id(engine), signal.SIGKILL)
        assert engine.hog_detections(pictures["astronaut.png"]) == before != []


def test_call_is_retried_if_its_process_is_killed(store: Path, large: NDArray[np.uint8]) -> None:
    with closing(_engine(store)) as engine:
        engine.check()
        process = _process_id(engine)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(engine.hog_detections, large)
            time.sleep(0.5)
            os.kill(process, signal.SIGKILL)
            assert len(found.result()) >= 8
        assert _process_id(engine) != process


def test_signals_of_a_terminal_do_not_end_a_process(store: Path, large: NDArray[np.uint8]) -> None:
    with closing(_engine(store)) as engine:
        engine.check()
        process = _process_id(engine)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(engine.hog_detections, large)
            time.sleep(0.5)
            os.kill(process, signal.SIGINT)
            os.kill(process, signal.SIGHUP)
            assert len(found.result()) >= 8
        assert _process_id(engine) == process


def test_error_of_dlib_is_raised_and_its_process_goes_on(store: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "landmarks.dat"
    damaged.write_bytes(b"no landmarks")
    with closing(DlibEngine(None, damaged, Path(_files(store)[1]), processes=1)) as engine:
        engine.check()
        process = _process_id(engine)
        image = np.zeros((90, 90, 3), np.uint8)
        with pytest.raises(EngineError, match="dlib failed in stage landmarks: "):
            engine.landmarks(image, [(10, 10, 60, 60)])  # type: ignore[list-item]
        assert engine.hog_detections(image) == []
        assert _process_id(engine) == process


def test_interpreter_that_does_not_start_is_an_error(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(_engine(store)) as engine:
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(EngineError, match="no process could be started for dlib: "):
            engine.hog_detections(np.zeros((90, 90, 3), np.uint8))
        monkeypatch.undo()
        assert engine.hog_detections(np.zeros((90, 90, 3), np.uint8)) == []


def test_process_outlives_the_thread_that_started_it(store: Path) -> None:
    with closing(_engine(store)) as engine:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(engine.check).result()
        process = _process_id(engine)
        engine.check()
        assert _process_id(engine) == process


# A program that has no main guard, finds no face by dlib, and has one child and one thread.
PROGRAM = """
import os, sys, threading
from pathlib import Path
import numpy as np
from service.recognition.engines.dlib import DlibEngine
from benchmarks.processes.process_tree import family
os.chdir({folder!r})
engine = DlibEngine(None, Path({landmarks!r}), Path({network!r}), processes=1)
found = engine.hog_detections(np.zeros((90, 90, 3), np.uint8))
print(found, len(family(os.getpid())), threading.active_count())
"""
PRINTED = "[] 2 1"
AS_A_NOTEBOOK = "import sys; exec(compile(sys.stdin.read(), '<cell 1>', 'exec'), {'__name__': '__main__'})"
"""Notebooks compile a cell without a file."""


@pytest.fixture
def program(store: Path, tmp_path: Path) -> str:
    """PROGRAM, which changes to a folder whose modules have the names of those that dlib's process imports."""
    folder = tmp_path / "hiding"
    folder.mkdir()
    for name in ("dlib.py", "numpy.py", "service.py"):
        (folder / name).write_text("raise ImportError('a module of the working directory')")
    landmarks, network = _files(store)
    return PROGRAM.format(folder=str(folder), landmarks=landmarks, network=network)


def _printed(arguments: list[str], text: str, folder: Path = ROOT, **variables: str) -> str:
    """Standard output of Python with these arguments and this input; it has to close nothing, and no error occurs."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        input=text,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "arguments",
    [["-"], ["-i", "-q"], ["-c", AS_A_NOTEBOOK]],
    ids=["standard input", "interactive", "notebook"],
)
def test_starts_from_a_program_without_a_file(arguments: list[str], program: str) -> None:
    assert _printed(arguments, program) == PRINTED


def test_starts_from_a_command_line(program: str) -> None:
    assert _printed(["-c", program], "") == PRINTED


def test_starts_from_a_script_that_has_no_main_guard(program: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(program)
    assert _printed([str(script)], "", tmp_path, PYTHONPATH=str(ROOT)) == PRINTED


def test_starts_where_the_packages_are_on_a_path_that_the_program_adds(program: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"import sys; sys.path.append({str(ROOT)!r})\n{program}")
    assert _printed(["-I", str(script)], "", tmp_path) == PRINTED


def test_ends_with_a_program_that_is_killed_during_a_call(store: Path) -> None:
    calling = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from service.recognition.engines.dlib import DlibEngine\n"
        "engine = DlibEngine(None, Path(sys.argv[1]), Path(sys.argv[2]), processes=1)\n"
        "engine.check()\n"
        "print('calling', flush=True)\n"
        "engine.hog_detections(np.zeros((6000, 6000, 3), np.uint8))\n"  # a minute
    )
    running = subprocess.Popen(
        [sys.executable, "-c", calling, *_files(store)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        with running.stdout as lines:
            assert lines.readline() == "calling\n"
        (process,) = process_tree.family(running.pid)[1:]
        assert dlib.PROGRAM in process_tree.command_line(process)
        time.sleep(1)
        assert is_running(process)
    finally:
        running.kill()
        running.wait()
    eventually("the end of dlib's process", lambda: not is_running(process), 5)
