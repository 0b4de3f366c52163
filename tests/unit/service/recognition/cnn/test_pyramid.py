"""Layout of the tiled pyramid."""

import itertools

import pytest

from service.recognition.cnn import pyramid

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
def test_levels_shrink_by_five_sixths_and_never_intersect(rows: int, columns: int) -> None:
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
