"""Damaged files: an image or one of the two errors, in bounded time and memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.paths import ROOT
from tests.unit.service.images.conftest import Encode

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
PATIENCE = 120
"""Seconds after which a decoder counts as hanging; the slowest suite here takes a few."""


def decoded(folder: Path, maximum_area: int) -> tuple[dict[str, Any], int]:
    finished = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).with_name("hostile.py"), folder, str(maximum_area)],
        capture_output=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"},
        timeout=PATIENCE,
        text=True,
        errors="replace",
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    answer = json.loads(finished.stdout)
    return answer["outcomes"], answer["bytes"]


@pytest.mark.not_quick
@pytest.mark.parametrize("kind", KINDS)
def test_truncated_and_flipped_bytes(kind: str, encode: Encode, tmp_path: Path) -> None:
    random = np.random.default_rng(KINDS.index(kind))
    whole = encode(kind)
    for number in range(40):
        (tmp_path / f"cut{number}").write_bytes(whole[: random.integers(0, len(whole))])
        flipped = np.frombuffer(whole, np.uint8).copy()
        # Half of them within the header, where the sizes stand.
        end = len(whole) if number % 2 else min(len(whole), 200)
        at = random.integers(0, end, random.integers(1, 8))
        flipped[at] ^= (1 << random.integers(0, 8, len(at))).astype(np.uint8)
        (tmp_path / f"flip{number}").write_bytes(flipped.tobytes())
        (tmp_path / f"noise{number}").write_bytes(whole[:16] + random.bytes(500))

    outcomes, memory = decoded(tmp_path, maximum_area=1_000_000)

    assert len(outcomes) == 120
    assert memory < 200_000_000


def test_every_file_of_the_formats_folder(photo_folder: Path) -> None:
    outcomes, memory = decoded(photo_folder / "formats", maximum_area=8_294_400)

    refused = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, str)}
    too_large = {name for name, outcome in refused.items() if outcome == "ImageTooLarge"}
    assert too_large == {"bomb_20000x20000_1bit.png", "pil_decompression_bomb.gif"}
    assert refused.keys() - too_large == NO_IMAGES
    # 8.3 MP, three bytes each, times the worst factor of a format in use there.
    assert memory < 100_000_000


NO_IMAGES = {
    # no images
    *("empty.jpg", "html.png", "manifest.csv", "random.jpg", "text.jpg"),
    # damaged, for dlib too
    *(
        "pil_broken.png",
        "pil_broken_data_stream.png",
        "pil_truncated_end_chunk.png",
        "pil_truncated_image.png",
    ),
    "pil_crash-2020-10-test.tif",
    "pil_crash-338516dbd2f0e83caddb8ce256c22db3bd6dc40f.tif",
    "pil_crash-4f085cc12ece8cde18758d42608bed6a2a2cfb1c.tif",
    "pil_crash-63b1dffefc8c075ddc606c0a2f5fdc15ece78863.tif",
    # formats that no camera writes, left out
    *("pil_decompression_bomb.ico", "pil_hopper.psd", "pil_hopper.ppm", "pil_hopper_16bit.pgm"),
    *("obama.jp2", "pil_crash-7d4c83eb92150fb8f1653a697703ae06ae7c4998.j2k"),
}


def test_exif_of_the_formats_folder(photo_folder: Path) -> None:
    outcomes, _ = decoded(photo_folder / "formats", maximum_area=8_294_400)
    assert {tuple(outcomes[f"obama_exif_o{value}.jpg"]) for value in range(1, 9)} == {(343, 280, 3)}
    assert outcomes["pil_rot1mir0.avif"] == [427, 640, 3]
