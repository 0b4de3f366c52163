"""Selection of photos, and canvases of faces."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.harness.closed_loop import FaceBox
from benchmarks.throughput import jpeg_uploads


def _files(folder: Path, *grays: int) -> list[Path]:
    paths = []
    for number, gray in enumerate(grays):
        paths.append(folder / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.full((100, 150, 3), gray, np.uint8))
    return paths


def _bright(photo: bytes) -> Sequence[FaceBox]:
    """Detector that finds a face in bright photos."""
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return [(40, 50, 139, 149)] if image.mean() > 128 else []


def test_prefers_photos_with_faces_and_skips_unreadable_ones(tmp_path: Path) -> None:
    paths = _files(tmp_path, 0, 10, 250, 20, 240)
    (tmp_path / "1.png").write_bytes(b"no photo")
    found = jpeg_uploads.chosen(paths, 3, _bright)
    assert [int(photo.image[0, 0, 0]) for photo in found] == [250, 240, 0]
    assert [photo.face is not None for photo in found] == [True, True, False]
    assert found[0].face is not None
    assert found[0].face.shape == (148, 148, 3), "100 pixels, and 24 on each side"


def test_decodes_no_more_photos_than_needed(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def find(photo: bytes) -> Sequence[FaceBox]:
        seen.append(photo)
        return [(0, 0, 9, 9)]

    assert len(jpeg_uploads.chosen(_files(tmp_path, *range(0, 100, 10)), 2, find)) == len(seen) == 2


def test_rejects_a_corpus_without_a_readable_photo(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"no photo")
    with pytest.raises(ValueError, match="none of 1 photos is readable"):
        jpeg_uploads.chosen([tmp_path / "0.jpg"], 1, _bright)


@pytest.mark.parametrize("copies", [1, 36])
def test_the_size_of_faces_does_not_depend_on_their_number(copies: int) -> None:
    canvas = jpeg_uploads.crowded(np.full((50, 40, 3), 255, np.uint8), copies, 0.36)
    assert canvas.shape == (600, 600, 3)
    assert int((canvas == 255).sum()) == copies * 100 * 100 * 3
