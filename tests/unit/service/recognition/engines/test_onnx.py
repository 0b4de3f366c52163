"""The ONNX engine's stages of faces, which several cores compute in bands."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.models import MODELS
from service.recognition.factory import open_recognizer
from service.recognition.geometry import Rectangle


@pytest.mark.parametrize("faces", [0, 1, 2, 5])
def test_faces_in_bands_are_those_of_one_core(
    faces: int, store: Path, pictures: dict[str, NDArray[np.uint8]]
) -> None:
    picture = pictures["astronaut.png"]
    rectangles = [Rectangle(150 + 9 * face, 40 + 7 * face, 240, 130) for face in range(faces)]
    with (
        closing(open_recognizer(MODELS[3], store, threads=1)) as one,
        closing(open_recognizer(MODELS[3], store, threads=2)) as two,
    ):
        points = one.engine.landmarks(picture, rectangles)
        np.testing.assert_array_equal(two.engine.landmarks(picture, rectangles), points)
        chips = one.engine.chips(picture, points)
        np.testing.assert_array_equal(two.engine.chips(picture, points), chips)
    assert points.shape == (faces, 5, 2)
    assert chips.shape == (faces, 150, 150, 3)
