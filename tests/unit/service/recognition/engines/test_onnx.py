"""The ONNX engine's stages of faces, which several cores compute in bands."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.models import MODELS
from service.recognition.faces import chips as face_chips
from service.recognition.factory import open_recognizer
from service.recognition.geometry import Rectangle


@pytest.mark.parametrize(("faces", "bands"), [(0, [0]), (1, [1]), (2, [1, 1]), (5, [2, 3])])
def test_faces_in_bands_are_those_of_one_core(
    faces: int,
    bands: list[int],
    store: Path,
    pictures: dict[str, NDArray[np.uint8]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = pictures["astronaut.png"]
    rectangles = [Rectangle(150 + 9 * face, 40 + 7 * face, 240, 130) for face in range(faces)]
    with (
        closing(open_recognizer(MODELS[3], store, threads=1)) as one,
        closing(open_recognizer(MODELS[3], store, threads=2)) as two,
    ):
        points = one.engine.landmarks(picture, rectangles)
        chips = one.engine.chips(picture, points)
        cut, sizes = face_chips.cut, []

        def recording(image: NDArray[np.uint8], landmarks: NDArray[np.int64]) -> NDArray[np.uint8]:
            sizes.append(len(landmarks))
            return cut(image, landmarks)

        monkeypatch.setattr(face_chips, "cut", recording)
        np.testing.assert_array_equal(two.engine.landmarks(picture, rectangles), points)
        np.testing.assert_array_equal(two.engine.chips(picture, points), chips)
    assert sorted(sizes) == bands
    assert points.shape == (faces, 5, 2)
    assert chips.shape == (faces, 150, 150, 3)
