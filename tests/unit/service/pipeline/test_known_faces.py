"""`/compute` over HTTP for several faces of the same original, with a controlled recogniser."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.decoders.pool import DecoderPool
from service.pipeline import originals
from service.recognition.contract import EngineError
from service.recognition.memory import MEBIBYTE
from tests.unit.service.conftest import PATIENCE, client
from tests.unit.service.web.test_metrics import ready, values
from tests.waiting import eventually

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.unit.service.conftest import Server, SteeredRecognizer

MEMORY = 700 * MEBIBYTE
"""Memory of the service in bytes: some 150 MiB of it for photos in progress."""
AREA = 2000 * 2000
BYTES = 3 * AREA


def original(value: int) -> bytes:
    """A photo of 4 megapixels: 11 MiB of pixels."""
    file = io.BytesIO()
    Image.fromarray(np.full((2000, 2000, 3), value, np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gray values of the decoded photos, in order of decoding."""
    values: list[int] = []
    decode = DecoderPool.decode

    async def noted(self: DecoderPool, *given: Any, **named: Any) -> NDArray[np.uint8]:
        pixels = await decode(self, *given, **named)
        values.append(int(pixels[0, 0, 0]))
        return pixels

    monkeypatch.setattr(DecoderPool, "decode", noted)
    return values


def face_of(caller: httpx.Client, photo: bytes, left: int = 10) -> int:
    face = f'{{"left":{left},"right":90,"top":10,"bottom":90}}'
    answered = caller.post("/compute", files={"file": ("a", photo)}, data={"face": face})
    if answered.status_code == 200:
        assert answered.json()["face"]["left"] == left
    return answered.status_code


def original_counters(caller: httpx.Client) -> tuple[float, float, float]:
    """Hits, misses and bytes of the cache of originals."""
    sampled = values(caller)
    return (
        sampled["face_originals_hits_total",],
        sampled["face_originals_misses_total",],
        sampled["face_originals_bytes",],
    )


def test_an_original_is_decoded_once_for_all_its_faces(
    serving: Server, key_header: dict[bytes, bytes], decoded: list[int]
) -> None:
    one, other = original(50), original(200)
    with serving(FACE_MEMORY=MEMORY) as port, client(port, key_header) as caller:
        ready(caller)
        assert [face_of(caller, photo, left) for left in range(4) for photo in (one, other)] == [200] * 8
        assert sorted(decoded) == [50, 200]
        assert original_counters(caller) == (6, 2, 2 * BYTES)
        assert values(caller)["face_photos_bytes_granted",] == 2 * BYTES
        assert values(caller)["face_stage_seconds_count", "decode"] == 2
        assert caller.post("/detect", files={"file": ("a", one)}).status_code == 200
        assert caller.post("/detect", files={"file": ("a", one)}).status_code == 200
    assert sorted(decoded) == [50, 50, 50, 200]  # photos to be searched come once each, and are not held


def test_the_memory_is_released_after_expiry(
    serving: Server, key_header: dict[bytes, bytes], decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "SECONDS", 0.3)
    with serving(FACE_MEMORY=MEMORY) as port, client(port, key_header) as caller:
        ready(caller)
        for face in range(2):
            assert face_of(caller, original(50)) == 200
            eventually("no held original", lambda: not original_counters(caller)[2])
            assert values(caller)["face_photos_bytes_granted",] == 0
            assert len(decoded) == face + 1


def test_an_original_evicted_while_its_next_face_waited_is_decoded_again(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    decoded: list[int],
    png: bytes,
) -> None:
    large = io.BytesIO()  # which needs nearly all of the memory
    Image.fromarray(np.full((2880, 2880), 100, np.uint8)).save(large, "PNG")
    with (
        serving(FACE_MEMORY=MEMORY) as port,
        client(port, key_header) as caller,
        ThreadPoolExecutor(3) as pool,
    ):

        def detect(photo: bytes) -> int:
            return caller.post("/detect", files={"file": ("a", photo)}).status_code

        def wait_for(waiting: int) -> None:
            eventually(f"{waiting} waiting", lambda: values(caller)["face_photos_places_waiting",] >= waiting)

        ready(caller)
        assert face_of(caller, original(50)) == 200
        assert recognizer.entered.acquire(timeout=PATIENCE)
        recognizer.gate.clear()
        answers = [pool.submit(detect, png)]
        assert recognizer.entered.acquire(timeout=PATIENCE)
        answers.append(pool.submit(detect, large.getvalue()))
        wait_for(1)
        answers.append(pool.submit(face_of, caller, original(50)))
        wait_for(2)
        assert original_counters(caller) == (0, 1, BYTES)
        recognizer.gate.set()
        assert [answer.result(PATIENCE) for answer in answers] == [200] * 3
        assert original_counters(caller) == (0, 2, BYTES)
    assert decoded[2:] == [100, 50]


def test_callers_with_the_same_original_at_once(
    serving: Server, key_header: dict[bytes, bytes], decoded: list[int]
) -> None:
    photo = original(50)
    with (
        serving(FACE_MEMORY=MEMORY, GUNICORN_WORKERS=3) as port,
        client(port, key_header) as caller,
        ThreadPoolExecutor(8) as pool,
    ):
        ready(caller)
        assert list(pool.map(lambda left: face_of(caller, photo, left), range(40))) == [200] * 40
        hits, misses, held = original_counters(caller)
        assert (hits + misses, misses, held) == (40, len(decoded), BYTES)
        assert misses <= 8
        assert values(caller)["face_photos_bytes_granted",] == BYTES


def test_a_retried_face_has_the_whole_budget(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], decoded: list[int]
) -> None:
    with serving(FACE_MEMORY=MEMORY) as port, client(port, key_header) as caller:
        ready(caller)
        assert face_of(caller, original(200)) == face_of(caller, original(50)) == 200
        recognizer.failures = [EngineError("no memory")]
        assert face_of(caller, original(50)) == 200
        assert recognizer.fallback_allowed == [False, False, False, True]
        assert decoded == [200, 50, 50]
        assert original_counters(caller) == (1, 3, BYTES)  # the other one gave way
        recognizer.failures = [EngineError("no"), EngineError("and no again")]
        assert face_of(caller, original(50)) == 500
        assert original_counters(caller)[2] == values(caller)["face_photos_bytes_granted",] == 0
        assert face_of(caller, original(50)) == 200


def test_an_undecodable_file_holds_no_memory(serving: Server, key_header: dict[bytes, bytes]) -> None:
    with serving(FACE_MEMORY=MEMORY) as port, client(port, key_header) as caller:
        ready(caller)
        file = io.BytesIO()
        Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save(file, "PNG")
        for _ in range(2):
            assert face_of(caller, file.getvalue()[:100]) == 415
        assert original_counters(caller) == (0, 0, 0)
        assert values(caller)["face_photos_bytes_granted",] == 0
