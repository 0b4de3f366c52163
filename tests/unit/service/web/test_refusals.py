"""Requests that are rejected over HTTP: too large, malformed, or damaged."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import ExifTags, Image

from service.logs import FIELDS
from tests.unit.service.conftest import PATIENCE, client

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server, SteeredRecognizer


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, FIELDS)
    return fields


def test_rejects_photos_over_the_area(serving: Server, key_header: dict[bytes, bytes]) -> None:
    def photo(width: int, height: int) -> dict[str, tuple[str, bytes]]:
        file = io.BytesIO()
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, "PNG")
        return {"file": ("a", file.getvalue())}

    face = {"face": '{"left":1,"top":2,"right":8,"bottom":9}'}
    with (
        serving(FACE_MAXIMUM_AREA=1600, FACE_MAXIMUM_ORIGINAL_AREA=3200) as port,
        client(port, key_header) as caller,
    ):
        assert caller.post("/detect", files=photo(34, 50)).status_code == 200
        too_large = caller.post("/detect", files=photo(1701, 1))
        assert (too_large.status_code, list(too_large.json())) == (412, ["error"])
        assert caller.post("/compute", files=photo(64, 50), data=face).status_code == 200
        assert caller.post("/compute", files=photo(3201, 1), data=face).status_code == 412


def test_rejects_malformed_uploads(serving: Server, key_header: dict[bytes, bytes], png: bytes) -> None:
    boundary = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n%s\r\n--b--\r\n'
    with serving() as port, client(port, key_header) as caller:
        for body, headers in (
            (b"", {}),
            (png, {"content-type": "image/png"}),
            (b"file=text", {"content-type": "application/x-www-form-urlencoded"}),
            (png, {"content-type": "multipart/form-data"}),
            (png, boundary),
            (b"", boundary),
            (b"--b--\r\n", boundary),
            (b"\xff" * 100, boundary),
            (b"--b\r\n\r\n\r\n--b--\r\n", boundary),
            (b"--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n", boundary),
            (part % (b"photo", b'; filename="a"', png), boundary),
            (
                part % (b"file", b'; filename="a"', png),
                {"content-type": "multipart/form-data; boundary=b; charset=undefined"},
            ),
            (part % (b"file", b"", b"text"), boundary),
            ((part % (b"file", b'; filename="a"', png))[:-20], boundary),
            (b"".join(part % (b"x%d" % number, b"", b"") for number in range(100)), boundary),
            (part % (b"file", b"", b"x" * 2_000_000), boundary),
            (
                part % (b"file", b'; filename="a"', png),
                {"content-type": "multipart/form-data; boundary=" + "x" * 9000},
            ),
        ):
            for path in ("/detect", "/compute"):
                refused = caller.post(path, content=body, headers=headers)
                assert (refused.status_code, list(refused.json())) == (400, ["error"]), body[:60]
        empty = caller.post("/detect", content=part % (b"file", b'; filename="a"', b""), headers=boundary)
        assert empty.status_code == 415
        assert caller.post("/detect", files={"file": ("a", b"no photo")}).status_code == 415


def damaged_photos() -> dict[str, bytes]:
    """Damaged files, by their fault; each raises an exception in some reader."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "PNG")
    png = file.getvalue()
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG", progressive=True)
    jpeg = file.getvalue()
    scan = jpeg[jpeg.index(b"\xff\xda") :][:14]
    return {
        "a PNG of 24 bytes": png[:24],
        "a PNG of 25 bytes": png[:25],
        "a PNG without pixels": png[:33],
        "a JPEG without a scan": jpeg[: jpeg.index(b"\xff\xda")],
        "a JPEG with 600 scans behind a TEM marker": jpeg[:-2] + b"\xff\x01" + scan * 600 + b"\xff\xd9",
        "JPEG 2000": bytes.fromhex("ff4fff51"),
        "JPEG 2000 in a box": bytes.fromhex("0000000c6a5020200d0a870a"),
        "PPM": b"P6 1 1 255 abc",
        "a WebP that is another format": b"P6 1 1 #WEBPVP8X" + bytes(20),
    }


@pytest.mark.parametrize("damage", damaged_photos())
def test_rejects_a_damaged_photo_without_a_retry(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    png: bytes,
    damage: str,
) -> None:
    face = {"face": '{"left":1,"top":2,"right":8,"bottom":9}'}
    with serving() as port, client(port, key_header) as caller:
        for path, form in (("/detect", {}), ("/compute", face)):
            refused = caller.post(path, files={"file": ("a", damaged_photos()[damage])}, data=form)
            assert (refused.status_code, list(refused.json())) == (415, ["error"])
        assert "face_retried_total 0.0" in caller.get("/metrics").text
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
    assert recognizer.photos == 1


def test_logs_the_class_of_an_error_and_nothing_of_a_photo(
    serving: Server, key_header: dict[bytes, bytes], png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    with serving() as port, client(port, key_header) as caller:
        caller.post("/detect", files={"file": ("secret.jpg", b"P6 private")})
        caller.post("/detect", files={"file": ("secret.jpg", b"")})
        caller.post("/compute", files={"file": ("secret.jpg", png)})
        caller.post("/detect", files={"file": ("secret.jpg", png)}, headers={"x-api-key": "wrong"})
        caller.post("/detect", files={"file": ("secret.jpg", png)})
    records = [record for record in caplog.records if record.name == "service.web.access_log"]
    assert [(fields["status"], fields.get("error")) for fields in map(_fields, records)] == [
        (415, "UndecodableImage"), (415, "EmptyUpload"), (422, "BadFace"), (401, "WrongKey"), (200, None),
    ]  # fmt: skip
    assert re.fullmatch(r"POST /detect 415 \d+ ms \w+ UndecodableImage", records[0].getMessage())
    assert re.fullmatch(r"POST /detect 200 \d+ ms \w+", records[-1].getMessage())
    assert "secret" not in caplog.text
    assert "private" not in caplog.text


def test_rejects_malformed_faces(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    with serving() as port, client(port, key_header) as caller:
        for form in ({}, {"face": ""}, {"face": "[]"}, {"face": '{"left":1}'}, {"face": '{"left":NaN}'}):
            refused = caller.post("/compute", files={"file": ("a", png)}, data=form)
            assert (refused.status_code, list(refused.json())) == (422, ["error"])
    assert recognizer.photos == 0


def face(left: int, top: int, right: int, bottom: int) -> dict[str, str]:
    return {"face": json.dumps({"left": left, "top": top, "right": right, "bottom": bottom})}


def test_rejects_faces_outside_of_the_upright_photo(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes]
) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (64, 48)).save(file, "JPEG", exif=exif)
    photo = {"file": ("a", file.getvalue())}  # 48 x 64 upright
    outside = [(48, 0, 60, 9), (0, 64, 9, 70), (-9, 0, -1, 9), (0, -9, 9, -1), (49, -30, 63, -20)]
    with serving() as port, client(port, key_header) as caller:
        for edges in outside:
            refused = caller.post("/compute", files=photo, data=face(*edges))
            assert (refused.status_code, list(refused.json())) == (422, ["error"]), edges
            assert f"(left {edges[0]}, top {edges[1]}, right {edges[2]}, bottom {edges[3]})" in refused.text
            assert "48 x 64 pixels upright" in refused.text
        assert recognizer.photos == 0
        over_the_border = [(47, 0, 60, 9), (0, 63, 9, 70), (-9, -9, 0, 0), (-5, -5, 70, 70), (2, 50, 9, 60)]
        for edges in over_the_border:
            assert caller.post("/compute", files=photo, data=face(*edges)).status_code == 200, edges
    assert recognizer.photos == len(over_the_border)


@pytest.mark.parametrize("chunked", [False, True])
def test_does_not_read_uploads_over_the_limit_to_their_end(
    serving: Server, key_header: dict[bytes, bytes], png: bytes, chunked: bool
) -> None:
    limit = 100_000

    def body() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + png
        for _ in range(10):
            yield bytes(limit // 8)
        yield b"\r\n--b--\r\n"

    content = body() if chunked else b"".join(body())
    headers = {"content-type": "multipart/form-data; boundary=b"}
    with serving(FACE_MAXIMUM_UPLOAD=limit) as port, client(port, key_header) as caller:
        refused = caller.post("/detect", content=content, headers=headers)
        assert (refused.status_code, list(refused.json())) == (413, ["error"])
        assert "FACE_MAXIMUM_UPLOAD" in refused.json()["error"]
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200


def test_rejects_endless_headers(serving: Server) -> None:
    with serving() as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as caller:
        caller.sendall(b"GET /health HTTP/1.1\r\nx-filler: " + b"x" * 200_000)
        assert caller.recv(12) == b"HTTP/1.1 431"
