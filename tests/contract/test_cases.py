"""Regression tests over HTTP: files that once crashed a decoder, were misread or refused. None is retried."""

from __future__ import annotations

import csv
import io
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from service.images.formats.png import SIGNATURE, chunks
from tests.answers import EDGES
from tests.hostile import png_chunk
from tests.unit.service.images.formats import tiffs

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.calling import Caller, Reply

TOLERANCE = 24
"""Pixels, a quarter of the face: gray and lossy pixels move a box by a level of the pyramid."""
SOON = 5.0
"""Upper bound in seconds of a refusal on a loaded machine; it takes milliseconds."""
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1


def saved(photo: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    photo.save(file, kind, **options)
    return file.getvalue()


def animated(still: bytes, disposal: int) -> bytes:
    """An animated PNG of two equal frames, the first of which is its default image."""
    contents: dict[bytes, bytes] = {}
    for chunk in chunks(still):
        content = still[chunk.content : chunk.content + chunk.length]
        contents[chunk.kind] = contents.get(chunk.kind, b"") + content
    size, pixels = contents[b"IHDR"][:8], contents[b"IDAT"]
    first, second = (
        png_chunk(b"fcTL", struct.pack(">I8s8xHHBB", number, size, 1, 10, disposal, 0)) for number in (0, 1)
    )
    parts = (
        *(SIGNATURE, png_chunk(b"IHDR", contents[b"IHDR"]), png_chunk(b"acTL", struct.pack(">II", 2, 0))),
        *(first, png_chunk(b"IDAT", pixels)),
        *(second, png_chunk(b"fdAT", struct.pack(">I", 2) + pixels), png_chunk(b"IEND", b"")),
    )
    return b"".join(parts)


def gray_tiff(bits: int, photometric: int) -> Callable[[Image.Image], bytes]:
    def encode(photo: Image.Image) -> bytes:
        largest = (1 << bits) - 1
        samples = np.asarray(photo.convert("L"), np.int64)[:, :, None] * largest // 255
        stored = samples if photometric == BLACK_IS_ZERO else largest - samples
        return tiffs.encoded(stored, bits, photometric)

    return encode


def general_avif(photo: Image.Image) -> bytes:
    data = saved(photo, "AVIF", quality=80)
    return data[:8] + b"mif1" + data[12:]


def padded_gif(photo: Image.Image) -> bytes:
    data = saved(photo, "GIF")
    palette = 13 + (3 << (1 + (data[10] & 7)))
    return data[:palette] + bytes(100) + data[palette:]


def cut_in_huffman_table(photo: Image.Image) -> bytes:
    data = saved(photo, "JPEG", progressive=True, quality=80)
    start = data.rindex(b"\xff\xc4")
    return data[: start + 1 + int.from_bytes(data[start + 2 : start + 4], "big")]


ENCODERS: dict[str, Callable[[Image.Image], bytes]] = {
    **{
        f"gray TIFF of {bits} bits, {name} is zero": gray_tiff(bits, photometric)
        for bits in (4, 8, 10, 12, 14, 16)
        for name, photometric in (("white", WHITE_IS_ZERO), ("black", BLACK_IS_ZERO))
    },
    "AVIF with the major brand mif1": general_avif,
    "GIF with zeros before its frame": padded_gif,
    "progressive JPEG cut within a Huffman table": cut_in_huffman_table,
}


@pytest.fixture(scope="module")
def photo(photos: dict[str, Path]) -> Image.Image:
    """A crop of a photo, with one face."""
    with Image.open(photos["astronaut.png"]) as opened:
        return opened.convert("RGB").crop((100, 0, 400, 260))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_an_animated_png_has_the_faces_of_its_default_image(
    mode: str, caller: Caller, service: Service, photo: Image.Image
) -> None:
    still = saved(photo.convert(mode), "PNG")
    expected = caller.post("/detect", caller.photo(still)).json
    assert expected["faces-count"] == 1
    for disposal in (0, 1, 2):
        reply = caller.post("/detect", caller.photo(animated(still, disposal)))
        assert reply.json == expected, disposal
    assert service.process.poll() is None


def test_finds_the_face_in_every_encoding(caller: Caller, service: Service, photo: Image.Image) -> None:
    (face,) = caller.post("/detect", caller.photo(saved(photo, "PNG"))).json["faces"]
    box = [face[edge] for edge in EDGES]
    for name, encode in ENCODERS.items():
        check_face(caller.post("/detect", caller.photo(encode(photo))), box, name)
    assert service.process.poll() is None


def check_face(reply: Reply, box: list[int], name: str) -> None:
    """Asserts one face within TOLERANCE of the box, with the confidence from which the app groups faces."""
    assert reply.status == 200, (name, reply.body)
    assert reply.json["faces-count"] == 1, name
    (face,) = reply.json["faces"]
    found = [face[edge] for edge in EDGES]
    assert np.abs(np.subtract(found, box)).max() <= TOLERANCE, (name, found, box)
    assert face["detection_confidence"] > 0.99, name


def test_expected_answers_of_a_folder_of_cases(caller: Caller, service: Service, photo_folder: Path) -> None:
    """The folder `cases` next to the photos; a line of its expected.tsv is a file and its right answer in words."""
    table = photo_folder.parent / "cases" / "expected.tsv"
    if not table.exists():
        pytest.skip("FACE_TEST_PHOTOS has no sibling folder `cases`")
    retried = caller.metric("face_retried_total")
    for name, expected in csv.reader(table.read_text(encoding="utf-8").splitlines(), delimiter="\t"):
        data = (table.parent / name).read_bytes()
        started = time.perf_counter()
        reply = caller.post("/detect", caller.photo(data))
        if expected.startswith("415"):
            assert reply.status == 415, (name, reply.body)
            assert time.perf_counter() - started < SOON, name
            assert list(reply.json) == ["error"]
        else:
            assert expected.startswith("200, one face"), expected
            check_face(reply, [int(edge) for edge in re.findall(r"\d+", expected)[1:5]], name)
    assert caller.metric("face_retried_total") == retried
    assert service.process.poll() is None
