"""Sessions out of memory: ONNX Runtime's arena with a limit, in a child process, in place of a small device."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_store import manifest
from model_store.models import CNN_DETECTOR, DLIB_RESNET
from service.recognition.contract import DeviceFault, EngineError, OutOfMemory
from service.recognition.ort import device_calls, installed
from service.recognition.ort.providers import CPU, CUDA, GPU
from service.recognition.ort.sessions import NO_LOCK, Session
from tests.paths import ROOT
from tests.unit.service.recognition.engines import planted
from tests.unit.service.recognition.engines.planted import Planted

_SMALL_DEVICE = """
import logging, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from service.recognition.ort import arena
from service.recognition.ort.providers import CPU, GPU
from service.recognition.ort.runtime import onnxruntime
from service.recognition.ort.sessions import Session

logging.basicConfig(level=logging.WARNING, format="%(message)s")
onnxruntime.set_default_logger_severity(4)
graph, limit = Path(sys.argv[1]), int(sys.argv[2])
onnxruntime.create_and_register_allocator(
    onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    ),
    onnxruntime.OrtArenaCfg({"max_mem": limit, "arena_extend_strategy": 1}),
)
arena.share = lambda options: None

def prepare(options, threads):
    CPU.prepare(options, threads)
    options.add_session_config_entry(arena.SHARED, "1")

# A copy of CPU with a device. CPU itself, whose memory has no such limit, is the CPU fallback.
device = replace(GPU, arena="cpu:0")
small = Session(graph, 1, replace(CPU, prepare=prepare, device=device))
ample = Session(graph, 1)
random = np.random.default_rng(0)
"""

_FACES = """
for faces in (1, 64, 2, 64):
    chips = random.integers(0, 256, (faces, 150, 150, 3), dtype=np.uint8)
    np.testing.assert_allclose(small.run(chips), ample.run(chips), atol=1e-6)
    print(faces, small.cpu_fallback_runs)
"""

_TILES = """
def shrunk(session, rows):
    tile = np.random.default_rng(rows).random((1, 3, rows, 1000), np.float32)
    return session.compute("shrunk", {"tile": tile, "shrunk_given": np.empty((0, 32, 1, 1), np.float32)})

for rows in (60, 1000, 60, 60):
    np.testing.assert_array_equal(shrunk(small, rows), shrunk(ample, rows))
    print(rows, small.cpu_fallback_runs)
"""

_PHOTOS = """
from contextlib import closing
from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.cnn.detector_window import detector_window
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.strips import ON_DEVICE, CnnDetector
from service.recognition.compute.cores import Cores

facts = manifest.load(graph.parents[1], CNN_DETECTOR).detector
with closing(Cores(1)) as cores:
    on_device, on_cpu = (
        CnnDetector(
            session,
            detector_window(facts),
            Pyramids(np.array(facts.mean, np.float32), cores),
            runs=1,
            largest=ON_DEVICE,
        )
        for session in (small, ample)
    )
    # A photo that fits, one that does not, and again one that fits.
    for rows in (100, 900, 100):
        image = random.integers(0, 256, (rows, 200, 3), dtype=np.uint8)
        np.testing.assert_array_equal(on_device.scores(image), on_cpu.scores(image))
        print(rows, small.cpu_fallback_runs)
"""


def _run(program: str, graph: Path, limit: int) -> tuple[list[str], list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_DEVICE + program, str(graph), str(limit)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.slow
def test_halves_a_batch_until_it_fits(store: Path) -> None:
    printed, logged = _run(_FACES, manifest.graph_path(store, DLIB_RESNET), 64 << 20)
    assert printed == ["1 0", "64 0", "2 0", "64 0"]
    assert sum("64 are computed in halves" in line for line in logged) == 2
    assert not any("the CPU computes it" in line for line in logged)


def test_item_that_does_not_fit_is_computed_by_cpu_fallback_and_the_next_by_the_device(store: Path) -> None:
    printed, logged = _run(_TILES, manifest.graph_path(store, CNN_DETECTOR), 12 << 20)
    assert printed == ["60 0", "1000 1", "60 1", "60 1"]
    assert sum("the CPU computes it" in line for line in logged) == 1


def test_photo_that_does_not_fit_is_computed_in_smaller_strips_and_the_next_as_a_whole(store: Path) -> None:
    printed, logged = _run(_PHOTOS, manifest.graph_path(store, CNN_DETECTOR), 16 << 20)
    assert printed == ["100 0", "900 0", "100 0"]
    assert sum("strips of half the size are tried" in line for line in logged) >= 1
    assert not any("the CPU computes it" in line for line in logged)


def test_an_empty_batch_on_a_device_is_one_of_zeros(store: Path) -> None:
    graph = manifest.graph_path(store, CNN_DETECTOR)
    on_device = Session(graph, 1, replace(CPU, device=GPU))
    no_tile = {"tile": np.zeros((0, 3, 29, 29), np.float32)}
    given = {**no_tile, "shrunk_given": np.ones((1, 32, 5, 7), np.float32)}
    assert on_device.compute("shrunk", given).shape == (1, 32, 1, 1)
    assert Session(graph, 1).compute("shrunk", given).shape == (0, 32, 1, 1)
    np.testing.assert_array_equal(
        on_device.compute("scores", given), Session(graph, 1).compute("scores", given)
    )


def test_other_failures_are_neither_halved_nor_computed_by_cpu_fallback(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(manifest.graph_path(store, DLIB_RESNET))
    with pytest.raises(EngineError) as failure:
        session.run(np.zeros((4, 150, 150, 3), np.float64))
    assert not isinstance(failure.value, OutOfMemory)
    assert caplog.records == []
    assert session.cpu_fallback_runs == 0


@pytest.mark.skipif(installed.has_wheel(CUDA.name), reason="this wheel has CUDA")
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (CUDA.prepare, f"cannot load .* for {CUDA.official}: .*fallback to CPU"),
        # A provider that does not forbid CPU nodes
        (CPU.prepare, f"was to run on {CUDA.official}, but ONNX Runtime fell back to {CPU.official}"),
    ],
)
def test_rejects_a_session_on_another_provider_than_requested(
    store: Path, prepare: Callable[[Any, int], None], message: str
) -> None:
    with pytest.warns(UserWarning, match=CUDA.official), pytest.raises(EngineError, match=message):
        Session(manifest.graph_path(store, DLIB_RESNET), 0, replace(CUDA, prepare=prepare))


_FOUR_SESSIONS = """
import os
import sys
from pathlib import Path
import numpy as np
from benchmarks.processes.process_tree import resident_memory
from service.recognition.ort.sessions import Session
given = {"tile": np.zeros((1, 3, 2048, 1024), np.float32), "shrunk_given": np.empty((0, 32, 1, 1), np.float32)}
kept = []
for _ in range(4):
    session = Session(Path(sys.argv[1]), 1)
    before = resident_memory(os.getpid())
    session.compute("shrunk", given)
    print(resident_memory(os.getpid()) - before)
    kept.append(session)
"""


def test_sessions_on_the_cpu_share_one_arena(store: Path) -> None:
    """With an arena per session, each would keep the memory of its largest run."""
    graph = manifest.graph_path(store, CNN_DETECTOR).resolve()
    done = subprocess.run(
        [sys.executable, "-c", _FOUR_SESSIONS, str(graph)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    first, *others = map(float, done.stdout.split())
    assert first > 30
    assert max(others) < first / 2


@pytest.mark.parametrize("change", [planted.zeros, planted.not_a_number, planted.lost])
def test_an_impossible_result_and_a_failed_run_are_faults_of_a_device(
    store: Path, monkeypatch: pytest.MonkeyPatch, change: planted.Change
) -> None:
    device = Planted(monkeypatch)
    session = Session(manifest.graph_path(store, DLIB_RESNET), provider=device.provider)
    chips = np.zeros((2, 150, 150, 3), np.uint8)
    assert session.run(chips).shape == (2, 128)
    device.change = change
    with pytest.raises(DeviceFault):
        session.run(chips)


def test_sessions_of_a_device_share_its_lock(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions of the WebGPU plug-in at once end in a segmentation fault (onnxruntime 32561)."""
    device = Planted(monkeypatch)
    first, second = (
        Session(manifest.graph_path(store, name), provider=device.provider)
        for name in (CNN_DETECTOR, DLIB_RESNET)
    )
    assert first.device_lock is second.device_lock is not NO_LOCK
    assert Session(manifest.graph_path(store, DLIB_RESNET)).device_lock is NO_LOCK


def test_calls_of_a_device_are_recorded_and_those_of_the_cpu_are_not(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch of the process ends it if one of them does not return."""
    seen: list[int] = []

    def recording(outputs: Any) -> Any:
        seen.append(len(device_calls.in_progress()))
        return outputs

    device = Planted(monkeypatch)
    device.change = recording
    session = Session(manifest.graph_path(store, DLIB_RESNET), provider=device.provider)
    chips = np.zeros((1, 150, 150, 3), np.uint8)
    session.run(chips)
    device.change = planted.lost
    with pytest.raises(DeviceFault):
        session.run(chips)
    assert seen == [1]
    assert device_calls.in_progress() == frozenset()


@pytest.mark.parametrize(
    "message",
    [
        "vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY - While calling [Device].CreateBuffer",
        "[Invalid Buffer] is invalid due to a previous error.",
        "Too many storage buffers in shader. Current: 13, Max is 12",
    ],
)
def test_webgpu_without_memory_is_no_fault_of_the_device(
    store: Path, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    device = Planted(monkeypatch)
    session = Session(manifest.graph_path(store, DLIB_RESNET), provider=device.provider)

    def refused(values: Any) -> Any:
        if len(values) > 1:
            raise RuntimeError(message)
        return values

    device.change = refused
    assert session.run(np.zeros((4, 150, 150, 3), np.uint8)).shape == (4, 128)
    assert session.cpu_fallback_runs == 0
