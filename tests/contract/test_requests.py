"""The app's requests, byte for byte, and the fields of the answers that it reads."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from model_store.models import MODELS
from tests.answers import EDGES
from tests.services import FORMER_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes.running import Service
    from tests.calling import Caller

FACE = b'{"left":102,"right":175,"top":167,"bottom":240,"detection_confidence":1.1}'


def png_of(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_open(caller: Caller) -> None:
    reply = caller.get("/open")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {"preferred_mimetype": "image/jpeg", "maximum_area": 8294400}
    assert type(reply.json["maximum_area"]) is int


def test_health_welcome_and_ready_need_no_key(caller: Caller) -> None:
    anonymous = replace(caller, key_header=b"")
    assert anonymous.get("/health").body == b"ok"
    welcome = anonymous.get("/welcome").json
    assert welcome["facerecognition-external-model"] == "welcome"
    assert welcome["model"] == 4
    assert isinstance(welcome["version"], str)
    assert anonymous.get("/ready").status == 200


def test_info(caller: Caller) -> None:
    info = caller.get("/info").json
    assert info["model"]["number"] == 4
    assert info["versions"]["dlib"].startswith("20.0.1")
    assert set(info["weights"]) == set(MODELS[4].weights)
    for weight in info["weights"].values():
        assert len(weight["sha256"]) == 64
        assert weight["origin"]
    assert set(info["stages"]) == {"cnn_detections", "hog_confirms", "landmarks", "chips", "descriptors"}
    for stage in info["stages"].values():
        assert stage["engine"] in ("onnx", "compiled", "dlib")
        assert stage["provider"]


def test_detect_gives_the_fields_that_the_app_reads(caller: Caller, portrait: bytes) -> None:
    reply = caller.post("/detect", caller.photo(portrait))
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert not {"content-encoding", "transfer-encoding", "location"} & reply.headers.keys()
    answer = reply.json
    assert list(answer) == ["filename", "faces-count", "faces"]
    assert answer["filename"] == "oc_tmp_6fbe56"
    assert answer["faces-count"] == len(answer["faces"]) == 1
    (face,) = answer["faces"]
    assert set(face) == {"detection_confidence", *EDGES, "landmarks", "descriptor"}
    assert type(face["detection_confidence"]) is float
    assert face["detection_confidence"] > 0.99
    assert all(type(face[edge]) is int for edge in EDGES)
    assert face["left"] < face["right"]
    assert face["top"] < face["bottom"]
    assert len(face["landmarks"]) == 5
    assert all(set(point) == {"x", "y"} for point in face["landmarks"])
    assert all(type(value) is int for point in face["landmarks"] for value in point.values())
    assert len(face["descriptor"]) == 128
    assert all(type(value) is float and math.isfinite(value) for value in face["descriptor"])
    assert 1.2 < math.hypot(*face["descriptor"]) < 1.7


def test_detect_with_a_trailing_slash_in_the_address(caller: Caller, portrait: bytes) -> None:
    assert caller.post("//detect", caller.photo(portrait)).json["faces-count"] == 1


def test_a_photo_without_faces(caller: Caller) -> None:
    reply = caller.post("/detect", caller.photo(png_of(np.full((120, 160, 3), 90, np.uint8))))
    assert reply.body == b'{"filename":"oc_tmp_6fbe56","faces-count":0,"faces":[]}'


def test_compute_repeats_the_face_with_the_descriptor_of_detect(caller: Caller, portrait: bytes) -> None:
    (found,) = caller.post("/detect", caller.photo(portrait)).json["faces"]
    sent = {edge: found[edge] for edge in EDGES} | {"detection_confidence": 1.1, "id": 12, "note": "née"}
    # No space after the colon, and always declared as JPEG.
    migration = replace(caller, key_header=caller.key_header.replace(b": ", b":"))
    reply = migration.post(
        "/compute",
        caller.photo(portrait, "Straße 写真 %22x%22.jpg".encode(), b"image/jpeg"),
        caller.face(json.dumps(sent).encode()),
    )
    assert reply.status == 200
    answer = reply.json
    assert list(answer) == ["filename", "face"]
    assert answer["filename"] == 'Straße 写真 "x".jpg'
    assert answer["face"] == sent | {name: found[name] for name in ("landmarks", "descriptor")}


def test_compute_with_the_parts_in_the_other_order(caller: Caller, portrait: bytes) -> None:
    assert caller.post("/compute", caller.face(FACE), caller.photo(portrait, b"a.jpg")).status == 200


def test_png_declared_as_jpeg(caller: Caller, portrait: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(portrait)).convert("RGB"))
    reply = caller.post("/compute", caller.photo(png_of(pixels), b"a.jpg", b"image/jpeg"), caller.face(FACE))
    assert reply.status == 200
    assert caller.post("/detect", caller.photo(png_of(pixels), b"a", b"image/jpeg")).json["faces-count"] == 1


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"/srv/nc/tmp/oc_tmp_6fbe56", "oc_tmp_6fbe56"),
        (b"a.jpg", "a.jpg"),
        (b"", ""),
        ("Бабушка.jpg".encode(), "Бабушка.jpg"),
        (b"a%22b.jpg", 'a"b.jpg'),
        (b"semi;colon=1.jpg", "semi;colon=1.jpg"),
        (b"caf\xe9.jpg", "café.jpg"),
        (b"../../etc/passwd", "passwd"),
    ],
)
def test_returns_the_file_name(caller: Caller, sent: bytes, answered: str) -> None:
    reply = caller.post("/detect", caller.photo(png_of(np.zeros((40, 40, 3), np.uint8)), sent))
    assert (reply.status, reply.json["filename"]) == (200, answered)


@pytest.mark.parametrize("header", [b"x-api-key: %s", b"x-api-key:%s", b"X-API-KEY:   %s  "])
@pytest.mark.parametrize("former", [False, True])
def test_either_key_with_and_without_a_space(caller: Caller, header: bytes, former: bool) -> None:
    key = FORMER_KEY.encode() if former else caller.key_header.removeprefix(b"x-api-key: ")
    assert replace(caller, key_header=header % key).get("/open").status == 200


@pytest.mark.parametrize("header", [b"", b"x-api-key:", b"x-api-key: wrong", b"api-key: wrong"])
def test_401_instead_of_100_continue(caller: Caller, header: bytes) -> None:
    unauthorised = replace(caller, key_header=header)
    assert unauthorised.get("/open").status == 401
    small = unauthorised.post("/detect", caller.photo(b"x"))
    assert (small.status, list(small.json)) == (401, ["error"])
    # After a 100, the caller would upload the whole body.
    head = b"POST /detect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n"
    refused = caller.exchange(head + header + b"\r\n" * (2 if header else 1), b"", wait_for_100=True)
    assert refused.status == 401


def test_a_large_body_gets_100_continue_and_stays_in_memory(caller: Caller, service: Service) -> None:
    # Noise does not compress: over 5 MB in one part. The fixture `service` asserts that no file is written.
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1500, 3), dtype=np.uint8)
    photo = png_of(noise)
    assert len(photo) > 5_000_000
    reply = caller.post("/detect", caller.photo(photo))
    assert reply.interim
    assert (reply.status, reply.json["filename"]) == (200, "oc_tmp_6fbe56")
    compute = caller.post("/compute", caller.photo(photo, b"a.jpg"), caller.face(FACE))
    assert compute.interim
    assert compute.status == 200


def test_rejects_a_content_length_above_the_limit_before_the_body(caller: Caller) -> None:
    head = (
        b"POST /detect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 999999999999\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n" + caller.key_header + b"\r\n\r\n"
    )
    refused = caller.exchange(head, b"", wait_for_100=True)
    assert (refused.status, list(refused.json)) == (413, ["error"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        (b"GET", b"/detect", 405),
        (b"POST", b"/open", 405),
        (b"GET", b"/", 200),
        (b"POST", b"/", 405),
        (b"GET", b"/nothing", 404),
        (b"GET", b"/detect/", 404),
        (b"OPTIONS", b"/detect", 405),
        (b"HEAD", b"/health", 200),
    ],
)
def test_wrong_paths_and_methods(caller: Caller, method: bytes, path: bytes, status: int) -> None:
    reply = caller.exchange(method + b" " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"")
    assert reply.status == status
    if status != 200:
        assert list(reply.json) == ["error"]


def test_rejects_a_missing_file_and_invalid_photos_and_faces(caller: Caller, portrait: bytes) -> None:
    for path, parts, status in (
        ("/detect", (), 400),
        ("/detect", (caller.face(FACE),), 400),
        ("/compute", (caller.face(FACE),), 400),
        ("/detect", (caller.photo(b""),), 415),
        ("/detect", (caller.photo(b"<html>no photo</html>"),), 415),
        ("/compute", (caller.photo(b"no photo"), caller.face(FACE)), 415),
        ("/compute", (caller.photo(portrait),), 422),
        ("/compute", (caller.photo(portrait), caller.face(b"")), 422),
        ("/compute", (caller.photo(portrait), caller.face(b'{"left":1}')), 422),
        ("/compute", (caller.photo(portrait), caller.face(FACE.replace(b"175", b"101"))), 422),
        ("/compute", (caller.photo(portrait), caller.face(FACE.replace(b"102", b"1e99"))), 422),
    ):
        reply = caller.post(path, *parts)
        assert (reply.status, list(reply.json)) == (status, ["error"]), (path, parts[1:])


def test_maximum_area_allows_for_the_apps_rounding(caller: Caller) -> None:
    # 1 bit per pixel keeps the file small. At the maximum area the app scales to 3840 x 2160, or one more of each.
    for width, height in ((3841, 2161), (2880, 2881)):
        file = io.BytesIO()
        Image.new("1", (width, height)).save(file, "PNG")
        assert caller.post("/detect", caller.photo(file.getvalue())).status == 200
    file = io.BytesIO()
    Image.new("1", (4200, 2160)).save(file, "PNG")
    reply = caller.post("/detect", caller.photo(file.getvalue()))
    assert (reply.status, list(reply.json)) == (412, ["error"])
    # The app sends originals to /compute.
    assert caller.post("/compute", caller.photo(file.getvalue()), caller.face(FACE)).status == 200


def test_logs_paths_and_statuses_without_private_data(
    caller: Caller, service: Service, photos: dict[str, Path]
) -> None:
    caller.post("/detect?secret-query", caller.photo(photos["obama.jpg"].read_bytes(), b"secret-name.jpg"))
    replace(caller, key_header=b"x-api-key: secret-guess").get("/open")
    caller.post("/compute", caller.photo(b"secret-bytes"), caller.face(b'{"secret-field":1}'))
    caller.get("/%0asecret")
    service.wait_for_log("GET /%0asecret 404 ")
    assert "POST /detect 200 " in service.log
    assert "GET /open 401 " in service.log
    assert "POST /compute 422 " in service.log
    secrets = ("secret-", caller.key_header.removeprefix(b"x-api-key: ").decode(), FORMER_KEY)
    for secret in secrets:
        assert secret not in service.log
    assert "Traceback" not in service.log
