"""Recognisers of both engines: equal faces, timings, and the errors of wrong arguments."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.models import MODELS
from service.recognition.contract import Detection
from service.recognition.factory import ENGINES, RecognizerError, open_recognizer
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Recognizer, lower_unconfirmed
from tests.unit.service.recognition.same_faces import assert_same_faces

Recognizers = dict[str, Recognizer]
Pictures = dict[str, NDArray[np.uint8]]


def test_both_engines_give_the_same_faces(recognizers: Recognizers, pictures: Pictures) -> None:
    for name, picture in pictures.items():
        by_onnx, by_dlib = (recognizers[engine].recognize(picture) for engine in ENGINES)
        assert_same_faces(by_onnx, by_dlib)
        assert len(by_onnx) == (0 if name == "chelsea.png" else 1)


def test_every_stage_that_ran_has_its_time(recognizers: Recognizers, pictures: Pictures) -> None:
    recognizer = recognizers["onnx"]
    found = recognizer.recognize_timed(pictures["astronaut.png"])
    assert_same_faces(found.faces, recognizer.recognize(pictures["astronaut.png"]))
    timed = {name for name, seconds in asdict(found.timings).items() if seconds > 0}
    assert timed == recognizer.stages().keys()
    none = recognizer.recognize_timed(pictures["chelsea.png"])
    assert none.faces == []
    assert [name for name, seconds in asdict(none.timings).items() if seconds] == ["cnn_detections"]


def test_known_rectangle_gets_the_same_descriptor(recognizers: Recognizers, pictures: Pictures) -> None:
    picture = pictures["astronaut.png"]
    (found,) = recognizers["onnx"].recognize(picture)
    (given,) = recognizers["onnx"].recognize(picture, [found.box])
    np.testing.assert_array_equal(given.landmarks, found.landmarks)
    np.testing.assert_allclose(given.descriptor, found.descriptor, atol=1e-6)


@pytest.mark.parametrize("engine", ["onnx", pytest.param("dlib", marks=pytest.mark.slow)])
def test_many_threads_get_the_results_of_one(
    engine: str, recognizers: Recognizers, pictures: Pictures
) -> None:
    recognizer = recognizers[engine]
    alone = {name: recognizer.recognize(picture) for name, picture in pictures.items()}
    names = list(pictures) * (4 if engine == "onnx" else 2)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda name: recognizer.recognize(pictures[name]), names))
    for name, faces in zip(names, together, strict=True):
        assert_same_faces(faces, alone[name])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 8000), (8000, 4), (6, 300), (300, 7), (12, 12)])
def test_a_photo_too_small_for_any_face_has_none(
    engine: str, shape: tuple[int, int], recognizers: Recognizers
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert recognizers[engine].recognize(image) == []


def test_both_engines_describe_rectangles_outside_the_photo_alike(
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
def test_rejects_arrays_of_another_type_or_shape(image: NDArray[np.uint8], recognizers: Recognizers) -> None:
    with pytest.raises(ValueError, match="an RGB image is uint8"):
        recognizers["onnx"].recognize(image)


def test_accepts_a_view_that_is_not_contiguous(recognizers: Recognizers, pictures: Pictures) -> None:
    picture = pictures["astronaut.png"]
    view = picture[..., ::-1].copy()[..., ::-1]
    assert not view.flags.c_contiguous
    assert_same_faces(recognizers["onnx"].recognize(view), recognizers["onnx"].recognize(picture))


def test_unconfirmed_face_keeps_four_fifths_of_its_confidence() -> None:
    face = Detection(Rectangle(0, 0, 100, 100), 1.0)
    assert lower_unconfirmed([face, face], [True, False]) == [face, Detection(face.rectangle, 0.8)]


def test_stages_name_engine_and_provider_of_the_models_stages(recognizers: Recognizers) -> None:
    stages = recognizers["onnx"].stages()
    assert {name: (stage.engine, stage.provider) for name, stage in stages.items()} == {
        "cnn_detections": ("onnx", "CPUExecutionProvider"),
        "hog_confirms": ("compiled", "cpu"),
        "landmarks": ("compiled", "cpu"),
        "chips": ("compiled", "cpu"),
        "descriptors": ("onnx", "CPUExecutionProvider"),
    }


def test_rejects_an_empty_store_and_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecognizerError, match="python -m model_store fetch"):
        open_recognizer(MODELS[4], tmp_path)


def test_rejects_weights_without_graphs_and_names_the_remedy(store: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").symlink_to(store.resolve() / "weights")
    with pytest.raises(RecognizerError, match="python -m conversion"):
        open_recognizer(MODELS[3], tmp_path)
    open_recognizer(MODELS[3], tmp_path, engine="dlib").close()


def test_rejects_an_unknown_engine(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no engine is called 'onyx'; there are onnx, dlib"):
        open_recognizer(MODELS[1], tmp_path, engine="onyx")
