import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.models import DLIB_RESNET, FIVE_POINTS, MODELS
from service.recognition.contract import Detection
from service.recognition.engines.dlib import DlibEngine
from service.recognition.faces import chips
from service.recognition.faces.landmarks import Landmarks
from service.recognition.factory import ENGINES, RecognizerError, open_recognizer
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face, Recognizer, judged

ROOT = Path(__file__).parents[4]

Recognizers = dict[str, Recognizer]
Pictures = dict[str, NDArray[np.uint8]]


def _assert_equal(first: list[Face], second: list[Face]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.rectangle == other.rectangle
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        np.testing.assert_allclose(one.descriptor, other.descriptor, atol=1e-5)


def test_both_engines_give_the_same_faces(recognizers: Recognizers, pictures: Pictures) -> None:
    for name, picture in pictures.items():
        by_onnx, by_dlib = (recognizers[engine].recognize(picture) for engine in ENGINES)
        _assert_equal(by_onnx, by_dlib)
        assert len(by_onnx) == (0 if name == "chelsea.png" else 1)


def test_every_stage_that_ran_has_its_time(recognizers: Recognizers, pictures: Pictures) -> None:
    recognizer = recognizers["onnx"]
    found = recognizer.recognize_timed(pictures["astronaut.png"])
    _assert_equal(found.faces, recognizer.recognize(pictures["astronaut.png"]))
    timed = {name for name, seconds in asdict(found.timings).items() if seconds > 0}
    assert timed == recognizer.stages().keys()
    none = recognizer.recognize_timed(pictures["chelsea.png"])
    assert none.faces == []
    assert [name for name, seconds in asdict(none.timings).items() if seconds] == ["cnn_detections"]


def test_a_face_whose_rectangle_is_known_gets_the_same_descriptor(
    recognizers: Recognizers, pictures: Pictures
) -> None:
    picture = pictures["astronaut.png"]
    (found,) = recognizers["onnx"].recognize(picture)
    (given,) = recognizers["onnx"].recognize(picture, [found.rectangle])
    np.testing.assert_array_equal(given.landmarks, found.landmarks)
    np.testing.assert_allclose(given.descriptor, found.descriptor, atol=1e-6)


@pytest.mark.parametrize("engine", ["onnx", pytest.param("dlib", marks=pytest.mark.slow)])
def test_many_threads_get_what_one_gets(engine: str, recognizers: Recognizers, pictures: Pictures) -> None:
    recognizer = recognizers[engine]
    alone = {name: recognizer.recognize(picture) for name, picture in pictures.items()}
    names = list(pictures) * (4 if engine == "onnx" else 2)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda name: recognizer.recognize(pictures[name]), names))
    for name, faces in zip(names, together, strict=True):
        _assert_equal(faces, alone[name])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 8000), (8000, 4), (6, 300), (300, 7), (12, 12)])
def test_a_photo_too_small_for_any_face_has_none(
    engine: str, shape: tuple[int, int], recognizers: Recognizers
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert recognizers[engine].recognize(image) == []


def test_a_rectangle_outside_of_the_photo_is_described_alike_by_both_engines(
    recognizers: Recognizers, pictures: Pictures
) -> None:
    for rectangle in (
        Rectangle(-200, -200, -100, -100),
        Rectangle(450, 450, 700, 700),
        Rectangle(5, 5, 5, 5),
    ):
        by_onnx, by_dlib = (
            recognizers[engine].recognize(pictures["astronaut.png"], [rectangle]) for engine in ENGINES
        )
        np.testing.assert_array_equal(by_onnx[0].landmarks, by_dlib[0].landmarks)
        np.testing.assert_allclose(by_onnx[0].descriptor, by_dlib[0].descriptor, atol=1e-5)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 10, 3), np.float32),
    ],
)
def test_an_array_that_is_no_rgb_image_is_refused(image: NDArray[np.uint8], recognizers: Recognizers) -> None:
    with pytest.raises(ValueError, match="an RGB image is uint8"):
        recognizers["onnx"].recognize(image)


def test_a_view_that_is_not_contiguous_is_an_image_too(recognizers: Recognizers, pictures: Pictures) -> None:
    picture = pictures["astronaut.png"]
    view = picture[..., ::-1].copy()[..., ::-1]
    assert not view.flags.c_contiguous
    _assert_equal(recognizers["onnx"].recognize(view), recognizers["onnx"].recognize(picture))


def test_a_face_that_hog_does_not_confirm_keeps_four_fifths_of_its_confidence() -> None:
    face = Detection(Rectangle(0, 0, 100, 100), 1.0)
    assert judged([face, face], [True, False]) == [face, Detection(face.rectangle, 0.8)]


def test_a_network_that_fails_at_run_time_is_computed_by_dlib_and_counted(
    store: Path, pictures: Pictures, recognizers: Recognizers
) -> None:
    recognizer = open_recognizer(MODELS[4], engine="onnx", store=store, workers=1, threads=0)
    try:
        # ONNX Runtime refuses an input of another type: the one failure that can be had here without a device.
        network = recognizer.engine._network.network  # type: ignore[attr-defined]
        run, network.run = network.run, lambda chips: run(chips.astype(np.float64))
        faces = recognizer.recognize(pictures["astronaut.png"])
        assert recognizer.stages()["descriptors"].fallbacks == 1
    finally:
        recognizer.close()
    _assert_equal(faces, recognizers["dlib"].recognize(pictures["astronaut.png"]))


def test_landmarks_and_chips_that_fail_are_computed_by_dlib_and_counted(
    store: Path, pictures: Pictures, recognizers: Recognizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    recognizer = open_recognizer(MODELS[3], engine="onnx", store=store, workers=1, threads=0)
    try:
        monkeypatch.setattr(Landmarks, "__call__", fail)
        monkeypatch.setattr(chips, "cut", fail)
        rectangle = Rectangle(168, 69, 263, 164)
        faces = recognizer.recognize(pictures["astronaut.png"], [rectangle])
        stages = recognizer.stages()
        assert (stages["landmarks"].fallbacks, stages["chips"].fallbacks) == (1, 1)
    finally:
        recognizer.close()
    _assert_equal(faces, recognizers["dlib"].recognize(pictures["astronaut.png"], [rectangle]))


def test_a_killed_dlib_process_costs_no_photo(store: Path, pictures: Pictures) -> None:
    weights = store / "weights"
    engine = DlibEngine(None, weights / f"{FIVE_POINTS}.dat", weights / f"{DLIB_RESNET}.dat", processes=1)
    try:
        before = engine.hog_detections(pictures["astronaut.png"])
        process = engine._workers[0]._process
        assert process is not None
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert engine.hog_detections(pictures["astronaut.png"]) == before != []
    finally:
        engine.close()


def test_a_program_that_closes_nothing_ends_all_the_same(store: Path) -> None:
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


def test_a_dlib_process_killed_in_the_middle_of_a_call_costs_no_photo(
    store: Path, pictures: Pictures
) -> None:
    weights = store / "weights"
    engine = DlibEngine(None, weights / f"{FIVE_POINTS}.dat", weights / f"{DLIB_RESNET}.dat", processes=1)
    large = np.ascontiguousarray(np.tile(pictures["astronaut.png"], (4, 4, 1)))
    engine.check()
    process = engine._workers[0]._process
    assert process is not None
    assert process.pid is not None
    try:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(engine.hog_detections, large)  # seconds of work
            time.sleep(0.5)
            os.kill(process.pid, signal.SIGKILL)
            assert len(found.result()) >= 8
        assert engine._workers[0]._process is not process
    finally:
        engine.close()


def test_stages_name_engine_and_provider_of_what_the_model_uses(recognizers: Recognizers) -> None:
    stages = recognizers["onnx"].stages()
    assert {name: (stage.engine, stage.provider) for name, stage in stages.items()} == {
        "cnn_detections": ("onnx", "CPUExecutionProvider"),
        "hog_confirms": ("compiled", "cpu"),
        "landmarks": ("compiled", "cpu"),
        "chips": ("compiled", "cpu"),
        "descriptors": ("onnx", "CPUExecutionProvider"),
    }


def test_an_empty_store_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecognizerError, match="python -m model_store fetch"):
        open_recognizer(MODELS[4], engine="onnx", store=tmp_path, workers=1, threads=0)


def test_weights_without_graphs_are_refused_with_what_to_do(store: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").symlink_to(store.resolve() / "weights")
    with pytest.raises(RecognizerError, match="python -m conversion"):
        open_recognizer(MODELS[3], engine="onnx", store=tmp_path, workers=1, threads=0)
    open_recognizer(MODELS[3], engine="dlib", store=tmp_path, workers=1, threads=0).close()
