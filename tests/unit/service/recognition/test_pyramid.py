import itertools

import numpy as np
import pytest

from service.recognition import pyramid

BACKGROUND = np.array([122.782, 117.001, 104.298], np.float32)

SIZES = [
    (480, 640),
    (640, 480),
    (333, 1000),
    (1000, 333),
    (60, 900),
    (2160, 3840),
    (97, 131),
    (40, 40),
]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_levels_shrink_by_five_sixths_and_never_touch(rows: int, columns: int) -> None:
    layout = pyramid.layout(rows, columns)
    assert layout is not None
    first = layout.levels[0]
    assert (first.left, first.top) == (11, 11)
    assert (first.right - 10, first.bottom - 10) == (columns, rows)
    for larger, smaller in itertools.pairwise(layout.levels):
        assert smaller.right - smaller.left + 1 == (larger.right - larger.left + 1) * 5 // 6
        assert smaller.bottom - smaller.top + 1 == (larger.bottom - larger.top + 1) * 5 // 6
    assert not any(one.intersects(other) for one, other in itertools.combinations(layout.levels, 2))


@pytest.mark.parametrize(("rows", "columns"), [(480, 640), (2160, 3840), (1200, 800)])
def test_a_tile_is_less_than_four_photos_large(rows: int, columns: int) -> None:
    layout = pyramid.layout(rows, columns)
    assert layout is not None
    assert 3.3 < layout.rows * layout.columns / (rows * columns) < 4.0


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 8000), (8000, 4), (6, 300), (300, 6), (300, 7)])
def test_photos_that_dlib_cannot_scan_have_no_layout(rows: int, columns: int) -> None:
    assert pyramid.layout(rows, columns) is None


def test_a_tile_holds_the_photo_and_the_background() -> None:
    image = np.random.default_rng(1).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    layout = pyramid.layout(120, 90)
    assert layout is not None
    tile = pyramid.tile(image, layout, BACKGROUND)
    assert tile.shape == (1, 3, layout.rows, layout.columns)
    first = layout.levels[0]
    shown = tile[0, :, first.top : first.bottom + 1, first.left : first.right + 1]
    np.testing.assert_array_equal(shown, image.transpose(2, 0, 1))
    outside = np.ones((layout.rows, layout.columns), bool)
    for level in layout.levels:
        outside[level.top : level.bottom + 1, level.left : level.right + 1] = False
    assert outside.any()
    assert (tile[0][:, outside] == BACKGROUND[:, None]).all()


def test_corners_stay_corners() -> None:
    """Aligned corners: each level begins and ends with the photo's own corner pixels."""
    image = np.random.default_rng(2).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    layout = pyramid.layout(200, 150)
    assert layout is not None
    tile = pyramid.tile(image, layout, BACKGROUND)[0]
    for level in layout.levels:
        np.testing.assert_allclose(tile[:, level.top, level.left], image[0, 0], atol=1e-3)
        np.testing.assert_allclose(tile[:, level.bottom, level.right], image[-1, -1], atol=0.05)


def test_a_plain_photo_stays_plain_on_every_level() -> None:
    image = np.full((90, 120, 3), (10, 20, 30), np.uint8)
    layout = pyramid.layout(90, 120)
    assert layout is not None
    tile = pyramid.tile(image, layout, BACKGROUND)[0]
    for level in layout.levels:
        part = tile[:, level.top : level.bottom + 1, level.left : level.right + 1]
        assert (part == np.array([10, 20, 30], np.float32)[:, None, None]).all()
