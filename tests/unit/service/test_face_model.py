"""The face model as a Python object: its answers, errors, store, and the examples in its docstrings."""

import doctest
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from service import Face, FaceModel, RecognizerError, Rectangle, face_model
from service.recognition.engines.precisions import PRECISIONS
from service.recognition.ort.providers import AUTO, PROVIDERS
from tests.paths import ROOT
from tests.unit.service.recognition.same_faces import assert_same_faces


@pytest.fixture(scope="module")
def model(store: Path) -> Iterator[FaceModel]:
    with FaceModel(4, store=store, workers=2) as opened:
        yield opened


def test_every_source_gives_the_same_faces(model: FaceModel, photos: dict[str, Path]) -> None:
    path = photos["obama2.jpg"]
    expected = model.detect(path)
    assert len(expected) == 1
    bgr = cv2.imread(str(path))
    assert bgr is not None
    for image in (str(path), path.read_bytes(), bgr[:, :, ::-1]):
        assert_same_faces(model.detect(image), expected)  # type: ignore[arg-type]


def test_given_boxes_have_faces_in_their_order(model: FaceModel, photos: dict[str, Path]) -> None:
    path = photos["obama2.jpg"]
    (found,) = model.detect(path)
    left, top, right, bottom = found.box
    moved = (left + 8, top + 8, right + 8, bottom + 8)
    first, second = model.describe(path, [moved, found.box])
    assert (tuple(first.box), second.box) == (moved, found.box)
    assert first.confidence == second.confidence == 1.0
    np.testing.assert_array_equal(second.landmarks, found.landmarks)
    assert second.distance(found) < 1e-5
    assert model.describe(path, []) == []


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((1, 2, 3), "a box is four whole numbers"),
        ((1, 2, 30.5, 40), "a box is four whole numbers"),
        (7, "a box is four whole numbers"),
        ((10, 20, 10, 40), "is empty"),
        ((10, 200, 200, 100), "is empty"),
        ((5000, 10, 5100, 100), "is outside of the image, which has 64 x 48 pixels"),
    ],
)
def test_a_wrong_box_is_an_error(box: Any, reason: str, model: FaceModel) -> None:
    with pytest.raises(ValueError, match=reason):
        model.describe(np.zeros((48, 64, 3), np.uint8), [box])


def test_numbers_of_numpy_make_a_box(model: FaceModel) -> None:
    box = np.array([1, 2, 30, 40])
    (face,) = model.describe(np.zeros((48, 64, 3), np.uint8), [box])  # type: ignore[list-item]
    assert face.box == (1, 2, 30, 40)


def test_an_array_of_another_shape_is_an_error(model: FaceModel) -> None:
    for image in (np.zeros(5, np.uint8), np.zeros((4, 5), np.uint8)):
        with pytest.raises(ValueError, match="an RGB image is uint8"):
            model.detect(image)
        with pytest.raises(ValueError, match="an RGB image is uint8"):
            model.describe(image, [(0, 0, 3, 3)])


def test_many_threads_share_a_model(model: FaceModel, photos: dict[str, Path]) -> None:
    paths = [photos[name] for name in ("obama2.jpg", "chelsea.png", "astronaut.png")] * 3
    alone = [model.detect(path) for path in paths]
    with ThreadPoolExecutor(4) as threads:
        for together, expected in zip(threads.map(model.detect, paths), alone, strict=True):
            assert_same_faces(together, expected)


def test_stages_name_what_computes(model: FaceModel) -> None:
    assert model.stages()["descriptors"].engine == "onnx"


def test_a_closed_model_is_an_error(store: Path) -> None:
    model = FaceModel(3, store=str(store))
    assert repr(model) == "FaceModel(3)"
    model.close()
    model.close()
    assert repr(model) == "FaceModel(3, closed)"
    with pytest.raises(ValueError, match="this FaceModel is closed"):
        model.detect(np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"number": 5}, r"FaceModel\(5\) is not possible: 5 is the app's number .* the models are 1 \("),
        ({"number": "hog"}, r"FaceModel\('hog'\) is not possible: the models are 1 \("),
        ({"provider": "gpu"}, "no provider is called 'gpu'; there are auto, cpu"),
        ({"precision": "int8"}, "no precision is called 'int8'; there are auto, float32, mixed"),
        ({"workers": 0}, "workers has to be at least 1"),
        ({"threads": -1}, "threads at least 0"),
    ],
)
def test_a_wrong_argument_is_an_error(arguments: dict[str, Any], reason: str, store: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        FaceModel(**{"store": store, **arguments})


def test_literals_are_the_choices() -> None:
    assert set(get_args(face_model.Provider)) == {AUTO, *PROVIDERS}
    assert set(get_args(face_model.Precision)) == PRECISIONS.keys()


def test_an_incomplete_store_is_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(RecognizerError) as raised:
        FaceModel(2, store=tmp_path / "a b")
    assert str(raised.value) == (
        f"{tmp_path}/a b does not hold the valid files of model 2: "
        f"run `FACE_STORE='{tmp_path}/a b' FACE_MODEL=2 make convert` in {ROOT}"
    )


def test_the_default_store_is_the_variables_the_working_directorys_or_the_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACE_STORE", raising=False)
    (tmp_path / "models").mkdir()  # of another project
    assert face_model._default_store() == ROOT / "models"
    (tmp_path / "models" / "weights").mkdir()
    assert face_model._default_store() == Path("models")
    monkeypatch.setenv("FACE_STORE", "/nonexistent/store")
    assert face_model._default_store() == Path("/nonexistent/store")


@pytest.mark.parametrize(
    ("confidence", "right", "grouped"), [(0.99, 50, True), (0.98, 50, False), (1.1, 49, False)]
)
def test_a_face_is_grouped_as_in_the_app(confidence: float, right: int, grouped: bool) -> None:
    face = _face(right, confidence)
    assert face.grouped is grouped


def test_distance_is_euclidean() -> None:
    one, other = _face(50, 1.0), _face(50, 1.0, np.full(128, 0.25, np.float32))
    assert one.distance(other) == other.distance(one) == 0.25 * 128**0.5
    assert one.distance(one) == 0


def test_a_face_is_shown_without_its_arrays() -> None:
    assert repr(_face(50, 1.0)) == "Face(box=Rectangle(left=10, top=10, right=50, bottom=50), confidence=1.0)"


def _face(right: int, confidence: float, descriptor: Any = None) -> Face:
    box = Rectangle(10, 10, right, 50)
    zeros = np.zeros(128, np.float32)
    return Face(box, confidence, np.zeros((5, 2), np.int64), zeros if descriptor is None else descriptor)


def test_examples_of_the_docstrings(
    store: Path, portrait: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photo.jpg").write_bytes(portrait)
    monkeypatch.setenv("FACE_STORE", str(store.resolve()))
    monkeypatch.chdir(tmp_path)
    tried = doctest.testmod(face_model, optionflags=doctest.ELLIPSIS)
    assert tried.failed == 0
    assert tried.attempted >= 5


# A program without a main guard, on both engines: dlib replaces a stage that fails.
PROGRAM = """
import os, sys
from service import FaceModel
print("start")
os.chdir({folder!r})
with FaceModel(3, store={store!r}) as model:
    (face,) = model.detect({photo!r})
    def failing(*_):
        raise RuntimeError("a planted failure")
    model._recognizer.engine.hog_detections = failing
    (again,) = model.detect({photo!r})
    print(face.distance(again) < 1e-5, model.stages()["hog_detections"].fallbacks)
"""
PRINTED = ["start", "True 1"]
AS_A_NOTEBOOK = "import sys; exec(compile(sys.stdin.read(), '<cell 1>', 'exec'), {'__name__': '__main__'})"


@pytest.mark.parametrize(
    "arguments",
    [["-"], ["-c", AS_A_NOTEBOOK], ["-c", "{program}"], ["script.py"], ["-i", "-q"]],
    ids=["standard input", "notebook", "command line", "script", "interactive"],
)
def test_a_program_needs_no_main_guard(
    arguments: list[str], store: Path, portrait: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(portrait)
    program = PROGRAM.format(folder=str(folder), store=str(store.resolve()), photo=str(photo))
    if arguments == ["-i", "-q"]:
        program = "exec(" + repr(program) + ")\n"  # a block at a prompt would need empty lines
    (tmp_path / "script.py").write_text(program)
    done = subprocess.run(
        [sys.executable, *(word.replace("{program}", program) for word in arguments)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=program,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PRINTED
