"""Every file of photos/formats over HTTP: broken ones, bombs, and all that dlib decodes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.conftest import Caller, Service

DECODED_BY_DLIB = Path(__file__).parents[1] / "parity" / "decoded_pixels.json"
BEYOND_DLIB = ("webp", "gif", "bmp", "tif", "avif", "heic", "jp2")
ACCEPTED_AREA = 8_812_800
BOMB = 20_000 * 20_000 * 3
"""Bytes that the largest picture of the folder takes, once decoded."""


def test_never_a_500_never_a_hang(caller: Caller, service: Service, photo_folder: Path) -> None:
    recorded = json.loads(DECODED_BY_DLIB.read_text(encoding="utf-8"))["images"]
    before = _peak_memory(service)
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
    assert _peak_memory(service) - before < BOMB
    assert service.process.poll() is None
    assert "Traceback" not in service.log


def _peak_memory(service: Service) -> int:
    """Bytes that the process ever held at once."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
