"""Scores of single windows of one level against dlib's, which scans the same image without doubling it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.compute.packed_pixels import packed
from service.recognition.hog import fhog
from service.recognition.hog import filters as hog_filters
from service.recognition.hog.crops import Crop
from service.recognition.hog.windows import WindowGrid

DETECTOR = hog_filters.load()
FINEST = (73, 81)
"""Sides of a window's box on the finest level; on all other levels they are larger. Dlib measures from the centre of
one cell to that of another; left of the level it subtracts half a cell instead of adding it."""


def _ties(rows: int, columns: int) -> NDArray[np.uint8]:
    """Channels with gradients of equal length in different directions: red right, blue down, green diagonal."""
    down, across = np.mgrid[0:rows, 0:columns]
    red, green, blue = (across * 5) % 256, ((across + down) // 2 * 5) % 256, (down * 5) % 256
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def _noise(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


@pytest.mark.parametrize("make", [_ties, _noise])
@pytest.mark.parametrize("columns", range(120, 136))
def test_every_window_has_the_score_of_dlib(
    columns: int, make: Callable[[int, int], NDArray[np.uint8]], unsuppressed: Any
) -> None:
    """All remainders of the vectors' width occur, since the last columns are computed in another order."""
    image = make(131, columns)
    grid = WindowGrid.of_level(0, *image.shape[:2])
    whole = Crop(packed(image), 0, 0)
    scores = fhog.scores(whole, image.shape[:2], DETECTOR.filters, *grid.region)
    ours = scores.astype(np.float64) - DETECTOR.thresholds[:, None, None]
    tops, lefts = grid.tops.tolist(), grid.lefts.tolist()
    compared = set()
    for box, score, part in zip(*unsuppressed.run(image, 0, -1000.0), strict=True):
        if box.width() in FINEST and box.height() in FINEST:
            place = (part, tops.index(box.top()), lefts.index(box.left()))
            assert ours[place] == pytest.approx(score, abs=1e-6)
            compared.add(place)
    assert len(compared) == scores.size


def test_scores_of_a_region_equal_those_of_the_level_bit_for_bit() -> None:
    size = (331, 277)
    image = Crop(packed(_noise(*size)), 0, 0)
    down, across = fhog.windows(*size)
    whole = fhog.scores(image, size, DETECTOR.filters, 0, down, 0, across)
    for top, bottom, left, right in [
        (0, 3, 0, 2),
        (7, 19, 5, 29),
        (down - 1, down, 0, across),
        (0, down, across - 9, across),
    ]:
        area = fhog.pixels_under(top, bottom, left, right, *size)
        crop = Crop(np.ascontiguousarray(image.view(area)), area.top, area.left)
        region = fhog.scores(crop, size, DETECTOR.filters, top, bottom, left, right)
        np.testing.assert_array_equal(region, whole[:, top:bottom, left:right])


@pytest.mark.parametrize("shape", [(1, 1), (19, 300), (300, 19), (20, 20)])
def test_a_level_under_three_cells_has_no_windows(shape: tuple[int, int]) -> None:
    down, across = fhog.windows(*shape)
    assert (down, across) == ((1, 1) if shape == (20, 20) else (0, 0))
