import json

import numpy as np
import pytest

from service.pipeline.answers import computed
from service.pipeline.face_part import MAXIMUM_DEPTH, MAXIMUM_EDGE, BadFace, parse_face
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face

FACE = {"left": 102, "right": 175, "top": 167, "bottom": 240, "detection_confidence": 1.1}


def test_the_apps_own_face() -> None:
    known = parse_face('{"left":102,"right":175,"top":167,"bottom":240,"detection_confidence":1.1}')
    assert known.rectangle == Rectangle(left=102, top=167, right=175, bottom=240)
    assert known.echo == FACE


def test_other_fields_are_kept() -> None:
    sent = {**FACE, "id": 10**30, "person": None, "naïve": [{"a": "\ud800"}], "landmarks": []}
    assert parse_face(json.dumps(sent)).echo == sent


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_face_that_can_be_read_can_be_answered(opening: str, closing: str) -> None:
    found = Face(Rectangle(1, 2, 3, 4), 1.0, np.zeros((5, 2), np.int64), np.zeros(128, np.float32))
    for depth in (1, 2, MAXIMUM_DEPTH - 1, MAXIMUM_DEPTH, *range(900, 1000), 100_000):
        deep = opening * (depth - 1) + "[]" + closing * (depth - 1)
        text = json.dumps(FACE)[:-1] + ', "deep": ' + deep + "}"
        if depth < MAXIMUM_DEPTH:
            assert computed("a", parse_face(text).echo, found).endswith(b"}}")
        else:
            with pytest.raises(BadFace):
                parse_face(text)


@pytest.mark.parametrize("left", [102, 102.0, "102", " 102 "])
def test_integers_as_php_may_write_them(left: object) -> None:
    known = parse_face(json.dumps({**FACE, "left": left}))
    assert known.rectangle.left == 102
    assert known.echo["left"] == left


def test_a_face_may_reach_over_the_border() -> None:
    assert parse_face(json.dumps({**FACE, "left": -40})).rectangle.left == -40


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "{",
        '{"left": 1',
        "null",
        "[]",
        "7",
        '"text"',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"left": ' + "9" * 5000 + "}",
        json.dumps(FACE) + "x",
        json.dumps({**FACE, "detection_confidence": float("nan")}),
        json.dumps({**FACE, "detection_confidence": float("inf")}),
        json.dumps({**FACE, "detection_confidence": float("-inf")}),
        json.dumps(FACE).replace("1.1", "1e999"),
    ],
)
def test_rejects_other_json(text: str) -> None:
    with pytest.raises(BadFace):
        parse_face(text)


def test_rejects_bytes_that_are_not_text() -> None:
    with pytest.raises(BadFace):
        parse_face(b'{"left": "\xff"}')


@pytest.mark.parametrize("edge", Rectangle._fields)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "x",
        "1e3",
        "1.5",
        1.5,
        [1],
        {},
        MAXIMUM_EDGE + 1,
        -MAXIMUM_EDGE - 1,
        10**400,
        1e300,
        "9" * 5000,
    ],
)
def test_rejects_edges_that_are_not_pixels(edge: str, value: object) -> None:
    with pytest.raises(BadFace, match=edge):
        parse_face(json.dumps({**FACE, edge: value}))


@pytest.mark.parametrize("edge", Rectangle._fields)
def test_rejects_a_missing_edge(edge: str) -> None:
    with pytest.raises(BadFace, match=f"no edge '{edge}'"):
        parse_face(json.dumps({name: value for name, value in FACE.items() if name != edge}))


@pytest.mark.parametrize("change", [{"right": 102}, {"right": 101}, {"bottom": 167}, {"top": 241}])
def test_rejects_an_empty_face(change: dict[str, int]) -> None:
    with pytest.raises(BadFace, match="empty"):
        parse_face(json.dumps({**FACE, **change}))
