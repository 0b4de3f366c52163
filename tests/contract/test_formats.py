"""Every file of photos/formats over HTTP: broken files, decompression bombs, and all formats of dlib."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.paths import ROOT

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.calling import Caller

DECODED_BY_DLIB = ROOT / "tests" / "parity" / "decoded_pixels.json"
BEYOND_DLIB = ("webp", "gif", "bmp", "tif", "avif", "heic")
ACCEPTED_AREA = 8_812_800


def test_answers_every_file_within_the_memory_bound(
    caller: Caller, service: Service, photo_folder: Path
) -> None:
    recorded = json.loads(DECODED_BY_DLIB.read_text(encoding="utf-8"))["images"]
    # The limit is the area: no file may take more memory than a plain photo of the largest accepted area.
    largest = io.BytesIO()
    Image.new("RGB", (3840, ACCEPTED_AREA // 3840), "gray").save(largest, "PNG")
    assert caller.post("/detect", caller.photo(largest.getvalue())).status == 200
    bound = service.peak_memory()
    decoded_by_dlib = 0
    for path in sorted((photo_folder / "formats").iterdir()):
        data = path.read_bytes()
        reply = caller.post("/detect", caller.photo(data))
        assert reply.status in (200, 412, 415), path.name
        dlibs = recorded.get(hashlib.sha256(data).hexdigest(), {}).get("source", {})
        if dlibs.get("height") and dlibs["height"] * dlibs["width"] <= ACCEPTED_AREA:
            decoded_by_dlib += 1
            assert reply.status == 200, path.name
        if path.name in {f"obama.{suffix}" for suffix in BEYOND_DLIB}:
            assert reply.json["faces-count"] == 1, path.name
        if path.name in ("empty.jpg", "text.jpg", "random.jpg", "manifest.csv"):
            assert reply.status == 415, path.name
        if path.name.startswith("bomb"):
            assert reply.status == 412, path.name
    assert decoded_by_dlib >= 40
    assert service.peak_memory() <= bound * 1.05
    assert service.process.poll() is None
    assert "Traceback" not in service.log
