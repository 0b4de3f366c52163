"""`/compute` as `occ face:migrate` calls it: one original, face after face, equal to the last byte to a new file."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.calling import Caller
from tests.faults.test_failing_engine import counted

if TYPE_CHECKING:
    from benchmarks.harness.running import Service
    from tests.conftest import StartService

FACES = ((102, 167, 175, 240), (60, 90, 200, 230), (-20, -10, 80, 70), (150, 20, 2000, 1400))
"""Left, top, right, bottom of faces and of none, in and beyond the photo: any of them has an answer."""


class Migration:
    """Sends faces, and notes whether their original was held."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def face(self, photo: bytes, edges: tuple[int, int, int, int]) -> tuple[bytes, bool]:
        """The answer, and whether no pixel was decoded for it."""
        before = self._hits()
        face = json.dumps(dict(zip(("left", "top", "right", "bottom"), edges, strict=True))).encode()
        reply = self.caller.post(
            "/compute", self.caller.photo(photo, b"a.jpg", b"image/jpeg"), self.caller.face(face)
        )
        assert reply.status == 200, reply.body
        return reply.body, self._hits() == before + 1

    def _hits(self) -> float:
        return counted(self.caller, "face_originals_hits_total")


def turned(photo: bytes, orientation: int) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(io.BytesIO(photo)).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def check(migration: Migration, *photos: bytes) -> None:
    """The faces of photos in turn: each as in a file that has not been sent before, and decoded once in all."""
    # A byte behind the end of a JPEG makes another file of the same pixels.
    fresh = {
        (photo, edges): migration.face(photo + bytes([number]), edges)
        for photo in photos
        for number, edges in enumerate(FACES)
    }
    assert not any(held for _, held in fresh.values())
    for number, edges in enumerate(FACES):
        for photo in photos:
            answer, held = migration.face(photo, edges)
            assert held == (number > 0)
            assert answer == fresh[photo, edges][0]
    assert len({answer for answer, _ in fresh.values()}) == len(fresh)


def test_further_faces_are_equal_to_the_last_byte(caller: Caller, portrait: bytes) -> None:
    check(Migration(caller), portrait)


def test_an_original_that_is_turned_by_its_metadata(caller: Caller, portrait: bytes) -> None:
    on_its_side = turned(portrait, 6)
    check(Migration(caller), on_its_side)
    upright = io.BytesIO()
    stored = np.asarray(Image.open(io.BytesIO(on_its_side)).convert("RGB"))
    Image.fromarray(np.rot90(stored, -1)).save(upright, "PNG")
    migration = Migration(caller)
    for edges in FACES[:2]:
        answer, held = migration.face(on_its_side, edges)
        assert held
        assert answer == migration.face(upright.getvalue(), edges)[0]


def test_photos_of_the_same_size_in_turn(caller: Caller, portrait: bytes) -> None:
    check(Migration(caller), turned(portrait, 1), turned(portrait, 2), turned(portrait, 3))


def test_a_photo_that_is_searched_is_not_held(caller: Caller, portrait: bytes) -> None:
    searched = portrait + b"searched"
    assert caller.post("/detect", caller.photo(searched)).status == 200
    assert not Migration(caller).face(searched, FACES[0])[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"FACE_MODEL": "1"},
        {"FACE_MODEL": "2"},
        {"FACE_MODEL": "3"},
        {"FACE_MODEL": "4", "FACE_ENGINE": "dlib"},
        {"FACE_MODEL": "4", "FACE_THREADS": "1", "GUNICORN_WORKERS": "1"},
        {"FACE_MODEL": "4", "FACE_ORIENTATION": "false"},
    ],
    ids=lambda settings: ",".join(settings.values()),
)
def test_with_other_settings(start_service: StartService, portrait: bytes, settings: dict[str, str]) -> None:
    service = start_service(**settings)
    service.wait_until_ready()
    check(Migration(Caller(service.port)), portrait, turned(portrait, 8))
    assert service.stop() == 0
    assert "Traceback" not in service.log


def test_without_memory_for_it_no_original_is_held(start_service: StartService, portrait: bytes) -> None:
    service: Service = start_service(FACE_MODEL="3", FACE_MEMORY="500MiB", GUNICORN_WORKERS="1")
    service.wait_until_ready()
    migration = Migration(Caller(service.port))
    answers = {migration.face(portrait, FACES[0]) for _ in range(3)}
    assert len(answers) == 1
    assert not answers.pop()[1]
    assert counted(migration.caller, "face_photos_bytes_lent") == 0
    assert service.stop() == 0
