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
from numpy.typing import NDArray

from model_store.models import DLIB_RESNET, FIVE_POINTS
from service.recognition.engines.dlib import DlibEngine
from tests.paths import ROOT

Pictures = dict[str, NDArray[np.uint8]]


def _engine(store: Path) -> DlibEngine:
    weights = store / "weights"
    return DlibEngine(None, weights / f"{FIVE_POINTS}.dat", weights / f"{DLIB_RESNET}.dat", processes=1)


def test_idle_process_that_is_killed_is_replaced(store: Path, pictures: Pictures) -> None:
    with closing(_engine(store)) as engine:
        before = engine.hog_detections(pictures["astronaut.png"])
        process = engine._workers[0]._process
        assert process is not None
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert engine.hog_detections(pictures["astronaut.png"]) == before != []


def test_call_is_retried_if_its_process_is_killed(store: Path, pictures: Pictures) -> None:
    large = np.ascontiguousarray(np.tile(pictures["astronaut.png"], (4, 4, 1)))
    with closing(_engine(store)) as engine:
        engine.check()
        process = engine._workers[0]._process
        assert process is not None
        assert process.pid is not None
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(engine.hog_detections, large)  # seconds of work
            time.sleep(0.5)
            os.kill(process.pid, signal.SIGKILL)
            assert len(found.result()) >= 8
        assert engine._workers[0]._process is not process


def test_program_that_closes_nothing_exits(store: Path) -> None:
    weights = store.resolve() / "weights"
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from service.recognition.engines.dlib import DlibEngine\n"
        "engine = DlibEngine(None, Path(sys.argv[1]), Path(sys.argv[2]), processes=1)\n"
        "print(engine.hog_detections(np.zeros((90, 90, 3), np.uint8)))\n"
    )
    files = [str(weights / f"{name}.dat") for name in (FIVE_POINTS, DLIB_RESNET)]
    done = subprocess.run(
        [sys.executable, "-c", program, *files],
        cwd=ROOT,
        timeout=120,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
