"""The detector in strips: equal to the whole map, and within its memory."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import CNN_DETECTOR
from service.recognition.cnn import pyramid
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.score_map import DetectorWindow, map_size
from service.recognition.cnn.strips import CHANNELS, CnnDetector, StripSizes, scores_in_strips
from service.recognition.compute.cores import Cores
from service.recognition.contract import OutOfMemory
from service.recognition.nms import OverlapRule
from service.recognition.ort.sessions import Session
from tests.paths import ROOT

MEAN = np.array([122.782, 117.001, 104.298], np.float32)
WINDOW = DetectorWindow(80, 80, OverlapRule(0.3382761351109955, 1.0))
WHOLE = 1 << 40
SHAPES = [
    *[(40, 40), (97, 131), (300, 60), (60, 300), (241, 367), (512, 384)],
    pytest.param((701, 333), marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=[1, 2], ids=["one thread", "two threads"])
def session(request: pytest.FixtureRequest, store: Path) -> Session:
    return Session(manifest.graph_path(store, CNN_DETECTOR), request.param)


@pytest.fixture(scope="module")
def pyramids() -> Iterator[Pyramids]:
    with closing(Cores(2)) as cores:
        yield Pyramids(MEAN, cores)


@pytest.mark.parametrize("shape", SHAPES)
def test_strips_give_the_scores_of_the_whole(
    shape: tuple[int, int], session: Session, pyramids: Pyramids
) -> None:
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    layout = pyramid.layout(*shape)
    assert layout is not None

    def scores(tile_area: int, scores_area: int) -> NDArray[np.float32]:
        return scores_in_strips(session.compute, image, layout, pyramids, StripSizes(tile_area, scores_area))

    whole = scores(WHOLE, WHOLE)
    assert whole.shape == ((layout.rows - 29) // 8 + 1, (layout.columns - 29) // 8 + 1)
    for areas in [(1, 1), (1 << 14, WHOLE), (WHOLE, 1 << 8), (1 << 16, 1 << 10)]:
        np.testing.assert_array_equal(scores(*areas), whole)


class _Busy:
    """A network without faces; a run ends when the expected number of runs is in it, or after `seconds`."""

    provider, cpu_fallback_runs, shares_cores = "test", 0, False

    def __init__(self, expected: int, seconds: float) -> None:
        self.together = threading.Barrier(expected, timeout=seconds)
        self.reached: list[bool] = []

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        raise NotImplementedError

    def attempt(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        return self.compute(output, given)

    def compute(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        if output == "scores":
            return np.full((1, 1, *given["shrunk_given"].shape[2:]), -1, np.float32)
        try:
            self.together.wait()
            self.reached.append(True)
        except threading.BrokenBarrierError:
            self.reached.append(False)
        return np.zeros((1, CHANNELS, *map(map_size, given["tile"].shape[2:])), np.float32)


@pytest.mark.parametrize("runs", [1, 2])
def test_as_many_photos_are_searched_at_the_same_time_as_runs(runs: int, pyramids: Pyramids) -> None:
    for expected in (runs, runs + 1):
        network = _Busy(expected, 30 if expected == runs else 0.3)
        detect = CnnDetector(network, WINDOW, pyramids, runs=runs)
        assert detect.batches() == {}
        with ThreadPoolExecutor(expected) as callers:
            photos = [np.zeros((40, 40, 3), np.uint8)] * expected
            assert list(callers.map(detect, photos)) == [[]] * expected
        assert network.reached == [expected == runs] * expected
        assert detect.batches() == {1: expected}


class _Small:
    """A network that is out of memory for more than a number of pixels, and then has CPU fallback."""

    provider, cpu_fallback_runs, shares_cores = "test", 0, False

    def __init__(self, session: Session, pixels: int) -> None:
        self._session = session
        self._pixels = pixels

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        raise NotImplementedError

    def attempt(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        if inputs["tile"].size // 3 > self._pixels:
            raise OutOfMemory("planted")
        return self._session.attempt(output, inputs)

    def compute(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        try:
            return self.attempt(output, inputs)
        except OutOfMemory:
            self.cpu_fallback_runs += 1
            return self._session.compute(output, inputs)


@pytest.mark.parametrize(("pixels", "warnings"), [(1 << 30, 0), (1 << 18, 3), (0, 8)])
def test_a_photo_that_does_not_fit_is_computed_in_smaller_strips_and_last_by_cpu_fallback(
    pixels: int, warnings: int, session: Session, pyramids: Pyramids, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.random.default_rng(3).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    expected = CnnDetector(session, WINDOW, pyramids, runs=1).scores(image)
    network = _Small(session, pixels)
    np.testing.assert_array_equal(CnnDetector(network, WINDOW, pyramids, runs=1).scores(image), expected)
    assert caplog.text.count("planted; strips of half the size are tried") == warnings
    assert (network.cpu_fallback_runs > 0) == (pixels == 0)


_MEASURED = """
import sys
from pathlib import Path
import numpy as np
from service.recognition.cnn.levels import Pyramids
from model_store.models import MODELS
from service.recognition.factory import open_recognizer

recognizer = open_recognizer(MODELS[1], Path(sys.argv[1]), threads=2)
detector = recognizer.engine.cnn_detections
for shape in [(2160, 3840), (3840, 2160), (2880, 2880)]:
    detector(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
# Not ru_maxrss: a process inherits that of the one that started it.
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(peak.split()[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_photos_of_eight_megapixels_need_less_than_a_gigabyte(store: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(store)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert int(done.stdout) < 1_000_000
