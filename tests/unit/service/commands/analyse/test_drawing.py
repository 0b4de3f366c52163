"""Annotated copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.commands.analyse import drawing
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face


def _face(confidence: float, side: int) -> Face:
    return Face(
        Rectangle(100, 100, 100 + side, 100 + side),
        confidence,
        np.array([[120, 120]], np.int64),
        np.zeros(128, np.float32),
    )


@pytest.mark.parametrize(
    ("confidence", "side", "grouped"), [(0.99, 40, True), (0.98, 40, False), (1.1, 39, False)]
)
def test_the_colour_is_that_of_the_apps_rule(
    tmp_path: Path, confidence: float, side: int, grouped: bool
) -> None:
    face = _face(confidence, side)
    assert face.grouped is grouped
    file = tmp_path / "new" / "copy.jpg"
    drawing.write_annotated(np.full((300, 400, 3), 128, np.uint8), [face], file)
    with Image.open(file) as copy:
        assert copy.size == (400, 300)
        red, green, _ = np.asarray(copy)[100 + side, 110].tolist()
    assert (green > red) is grouped


def test_draws_a_face_over_the_border(tmp_path: Path) -> None:
    face = Face(Rectangle(-50, -50, 80, 80), 1.0, np.array([[-3, 9]], np.int64), np.zeros(128, np.float32))
    drawing.write_annotated(np.zeros((60, 60, 3), np.uint8), [face], tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").stat().st_size > 0


@pytest.mark.parametrize(
    ("photo", "copy"),
    [
        ("a.jpg", "out/a.jpg.faces.jpg"),
        ("x/a.png", "out/x/a.png.faces.jpg"),
        ("../x/a.png", "out/x/a.png.faces.jpg"),
        ("/srv/x/a.png", "out/srv/x/a.png.faces.jpg"),
    ],
)
def test_copies_keep_the_folders_of_their_photos(photo: str, copy: str) -> None:
    assert drawing.copy_of(Path(photo), Path("out")) == Path(copy)
