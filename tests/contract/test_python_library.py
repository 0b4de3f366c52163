"""The Python library gives the service's answers, to the bit."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from service import FaceModel
from service.images.decoding import decode
from service.pipeline.answers import computed, detected
from tests.answers import EDGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.calling import Caller

PHOTOS = ("obama2.jpg", "astronaut.png", "800px-Katherine_Maher.jpg")
ORIENTATION = 0x0112
"""EXIF tag."""


@pytest.fixture(scope="module")
def model(store: Path) -> Iterator[FaceModel]:
    with FaceModel(4, store=store) as opened:
        yield opened


@pytest.mark.parametrize("name", PHOTOS)
def test_faces_of_every_source_are_those_of_detect(
    name: str, model: FaceModel, caller: Caller, photos: dict[str, Path]
) -> None:
    path = photos[name]
    data = path.read_bytes()
    array = decode(data, maximum_area=10**8, honour_orientation=True)
    reply = caller.post("/detect", caller.photo(data, b"photo"))
    assert reply.status == 200
    assert reply.json["faces-count"] >= 1
    for image in (path, data, array):
        assert detected("photo", model.detect(image)) == reply.body


def test_faces_of_an_oriented_photo_are_those_of_detect(
    model: FaceModel, caller: Caller, portrait: bytes
) -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    with Image.open(io.BytesIO(portrait)) as image:
        image.rotate(-90, expand=True).save(turned, "JPEG", quality=95, exif=exif)
    reply = caller.post("/detect", caller.photo(turned.getvalue(), b"photo"))
    assert reply.json["faces-count"] == 1
    assert detected("photo", model.detect(turned.getvalue())) == reply.body


def test_described_faces_are_those_of_compute(model: FaceModel, caller: Caller, portrait: bytes) -> None:
    (found,) = model.detect(portrait)
    face: dict[str, Any] = {**dict(zip(EDGES, found.box, strict=True)), "detection_confidence": 1.1}
    reply = caller.post("/compute", caller.photo(portrait, b"photo"), caller.face(json.dumps(face).encode()))
    assert reply.status == 200
    (described,) = model.describe(portrait, [found.box])
    assert computed("photo", face, described) == reply.body
    np.testing.assert_array_equal(described.landmarks, found.landmarks)
