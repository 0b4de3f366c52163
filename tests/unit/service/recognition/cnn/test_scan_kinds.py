"""The scan in float16 on the CPU: scores near float32, and exact scores of blocks by the graph in strips."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.scan import SCORE_OF_INTEREST
from service.recognition.cnn.scan_kinds import FLOAT16
from service.recognition.cnn.scanning_detector import ROUNDING, ScanningDetector
from service.recognition.cnn.strips import CnnDetector, StripSizes
from service.recognition.ort.sessions import Session
from service.recognition.synthetic_pictures import draw_face
from tests.unit.service.recognition.cnn.float32_detector import float32_detector

Picture = NDArray[np.uint8]
ASTRONAUT = "astronaut.png"
SCAN_ERROR = 0.03
"""Largest error that the conversion accepts (conversion/validation/scanning_float16.py)."""


@pytest.fixture(scope="module")
def scan(store: Path) -> Session:
    return Session(manifest.graph_path(store, FLOAT16.graph))


@pytest.fixture(scope="module")
def exact(store: Path) -> Iterator[CnnDetector]:
    with float32_detector(store, runs=2) as detector:
        yield detector


def test_faces_and_scores_are_those_of_float32(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    detect = ScanningDetector(scan, exact, checked=1, kind=FLOAT16)
    found = {name: detect(picture) for name, picture in pictures.items()}
    assert found == {name: exact(picture) for name, picture in pictures.items()}
    assert sum(map(len, found.values())) == 2
    figures = detect.figures()
    assert (figures.photos, figures.checked) == (len(pictures), len(pictures))
    assert (figures.crowded, figures.deviating, figures.stopped) == (0, 0, None)
    assert 0 < figures.largest_error < SCAN_ERROR


@pytest.mark.parametrize("shape", [(10, 19), (40, 40), (97, 131), (300, 60), (60, 300)])
def test_photos_of_any_shape(shape: tuple[int, int], scan: Session, exact: CnnDetector) -> None:
    detect = ScanningDetector(scan, exact, checked=1, kind=FLOAT16)
    image = np.full((*shape, 3), 110, np.uint8)
    draw_face(image, (shape[1] / 2, shape[0] / 2), min(shape) * 0.6, 0)
    scores, scanned = exact.scores(image), detect.scanned_scores(image)
    assert scanned.shape == scores.shape
    near = scores > SCORE_OF_INTEREST
    assert np.abs(scanned - scores)[near].max(initial=0) < SCAN_ERROR
    assert detect(image) == exact(image)


def test_scanned_scores_are_equal_in_strips_of_any_size(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pictures[ASTRONAUT]
    detect = ScanningDetector(scan, exact, checked=0, kind=FLOAT16)
    whole = detect.scanned_scores(image)
    for sizes in (StripSizes(1, 1), StripSizes(1 << 16, 1 << 10)):
        monkeypatch.setattr(exact, "sizes", lambda sizes=sizes: sizes)
        np.testing.assert_array_equal(detect.scanned_scores(image), whole)


def test_blocks_have_the_scores_of_the_whole_map(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    """At each edge and corner of the map, where it is padded, and in its middle, where a block's field is cropped."""
    image = pictures[ASTRONAUT]
    detect = ScanningDetector(scan, exact, checked=0, kind=FLOAT16)
    whole = exact.scores(image)
    rows, columns = whole.shape
    places = [(row, column) for row in (0, rows // 2, rows - 5) for column in (0, columns // 2, columns - 5)]
    for top, left in [*places, (3, 2), (rows - 9, columns - 12)]:
        block = Block(top, left, top + 5, left + 5)
        np.testing.assert_allclose(
            detect.block_scores(image, block),
            whole[block.slices],
            rtol=0,
            atol=ROUNDING,
            err_msg=str(block),
        )
