import json
from dataclasses import replace

import numpy as np
import pytest

from service.pipeline import answers
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face

FACE = Face(
    Rectangle(-3, 2, 70, 75),
    np.float64(1.0625),
    np.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], dtype=np.int64),
    np.linspace(-0.3, 0.3, 128, dtype=np.float32),
)


def test_detected_as_the_app_reads_it() -> None:
    read = json.loads(answers.detected("a", [FACE, FACE]))
    assert list(read) == ["filename", "faces-count", "faces"]
    assert read["faces-count"] == 2
    face = read["faces"][0]
    assert set(face) == {"detection_confidence", "left", "top", "right", "bottom", "landmarks", "descriptor"}
    edges = [face[edge] for edge in ("left", "top", "right", "bottom")]
    assert edges == [-3, 2, 70, 75]
    assert all(type(edge) is int for edge in edges)
    assert face["landmarks"][4] == {"x": 9, "y": 10}
    assert type(face["landmarks"][0]["x"]) is int
    assert type(face["detection_confidence"]) is float
    assert face["descriptor"] == [float(value) for value in FACE.descriptor]


def test_a_whole_confidence_is_still_a_float() -> None:
    assert b'"detection_confidence":1.0,' in answers.detected("a", [replace(FACE, confidence=1)])


def test_no_face_is_an_empty_list() -> None:
    assert answers.detected("a", []) == b'{"filename":"a","faces-count":0,"faces":[]}'


def test_computed_echoes_the_face_except_computed_fields() -> None:
    echo = {"left": "102", "id": 7, "descriptor": "old"}
    read = json.loads(answers.computed("a", echo, FACE))
    assert read["filename"] == "a"
    assert read["face"]["left"] == "102"
    assert read["face"]["id"] == 7
    assert len(read["face"]["descriptor"]) == 128
    assert len(read["face"]["landmarks"]) == 5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rejects_numbers_that_php_cannot_parse(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        answers.detected("a", [replace(FACE, descriptor=np.full(128, value, np.float32))])


def test_names_of_any_script_are_ascii_on_the_wire() -> None:
    body = answers.detected("фото\ud800\n.jpg", [])
    assert body.isascii()
    assert json.loads(body)["filename"] == "фото\ud800\n.jpg"
