"""`/compute` as `occ face:migrate` calls it, one request per face: the cached original gives the same bytes."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.answers import EDGES
from tests.calling import Caller

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.servers import Server
    from tests.services import StartService

FACES = ((102, 167, 175, 240), (60, 90, 200, 230), (-20, -10, 80, 70), (150, 20, 2000, 1400))
"""Left, top, right, bottom of rectangles with and without a face, within and outside of the photo."""


class Migration:
    """Sends faces, and reports for each if its original was cached."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def face(self, photo: bytes, edges: tuple[int, int, int, int]) -> tuple[bytes, bool]:
        """The answer, and True if it came from the cached original, without decoding."""
        before = self._hits()
        face = json.dumps(dict(zip(EDGES, edges, strict=True))).encode()
        reply = self.caller.post(
            "/compute", self.caller.photo(photo, b"a.jpg", b"image/jpeg"), self.caller.face(face)
        )
        assert reply.status == 200, reply.body
        return reply.body, self._hits() == before + 1

    def _hits(self) -> float:
        return self.caller.metric("face_originals_hits_total")


def rotated(photo: bytes, orientation: int) -> bytes:
    """A JPEG of the photo with this Exif orientation."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(io.BytesIO(photo)).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def check(migration: Migration, *photos: bytes) -> None:
    """Asserts for alternating photos that answers equal those of a new file, and that each photo is decoded once."""
    # A byte after the end of a JPEG makes another file with the same pixels.
    fresh = {
        (photo, edges): migration.face(photo + bytes([number]), edges)
        for photo in photos
        for number, edges in enumerate(FACES)
    }
    assert not any(cached for _, cached in fresh.values())
    for number, edges in enumerate(FACES):
        for photo in photos:
            answer, cached = migration.face(photo, edges)
            assert cached == (number > 0)
            assert answer == fresh[photo, edges][0]
    assert len({answer for answer, _ in fresh.values()}) == len(fresh)


def test_cached_original_gives_the_same_bytes(caller: Caller, portrait: bytes) -> None:
    check(Migration(caller), portrait)


def test_cached_original_is_rotated_by_its_exif_orientation(caller: Caller, portrait: bytes) -> None:
    sideways = rotated(portrait, 6)
    check(Migration(caller), sideways)
    upright = io.BytesIO()
    stored = np.asarray(Image.open(io.BytesIO(sideways)).convert("RGB"))
    Image.fromarray(np.rot90(stored, -1)).save(upright, "PNG")
    migration = Migration(caller)
    for edges in FACES[:2]:
        answer, cached = migration.face(sideways, edges)
        assert cached
        assert answer == migration.face(upright.getvalue(), edges)[0]


def test_alternating_photos_of_the_same_size(caller: Caller, portrait: bytes) -> None:
    check(Migration(caller), rotated(portrait, 1), rotated(portrait, 2), rotated(portrait, 3))


def test_detect_caches_no_original(caller: Caller, portrait: bytes) -> None:
    photo = portrait + b"searched"
    assert caller.post("/detect", caller.photo(photo)).status == 200
    assert not Migration(caller).face(photo, FACES[0])[1]


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
def test_other_settings_give_the_same_bytes(
    start_service: StartService, portrait: bytes, settings: dict[str, str]
) -> None:
    service = start_service(**settings)
    service.wait_until_ready()
    check(Migration(Caller(service.port)), portrait, rotated(portrait, 8))
    assert service.stop() == 0
    assert "Traceback" not in service.log


def test_caches_no_original_without_memory_for_it(
    start_service: StartService, server: Server, portrait: bytes
) -> None:
    service: Service = start_service(FACE_MODEL="3", FACE_MEMORY="500MiB", GUNICORN_WORKERS="1")
    service.wait_until_ready()
    migration = Migration(Caller(service.port))
    answers = {migration.face(portrait, FACES[0]) for _ in range(3)}
    assert len(answers) == 1
    assert not answers.pop()[1]
    assert migration.caller.metric("face_photos_bytes_granted") == 0
    assert service.stop() == server.stopped
