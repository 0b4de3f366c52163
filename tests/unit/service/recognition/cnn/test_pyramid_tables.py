"""The graph's tables against the layout that they are made from."""

import numpy as np
import pytest

from service.recognition.cnn import pyramid
from service.recognition.cnn.pyramid_tables import (
    LEVELS,
    PLACES,
    PLACES_SIZES,
    SHARES,
    SHARES_SIZES,
    tables,
)
from service.recognition.geometry import Rectangle

SHAPES = [
    (40, 40),
    (10, 19),
    (66, 18),
    (97, 131),
    (300, 60),
    (60, 300),
    (241, 367),
    (512, 384),
    (2000, 1500),
    (7000, 1100),
]


@pytest.mark.not_quick
@pytest.mark.parametrize("shape", SHAPES)
def test_the_two_columns_of_blocks_cover_the_tile(shape: tuple[int, int]) -> None:
    layout = pyramid.layout(*shape)
    assert layout is not None
    given = tables(layout)
    vectors = np.split(given[PLACES], np.cumsum(given[PLACES_SIZES])[:-1])[4 * (LEVELS - 1) :]
    tile = np.full((layout.rows, layout.columns), -1)
    for rows_of, columns_of, order in ((0, 1, range(LEVELS)), (2, 3, range(LEVELS - 1, -1, -1))):
        top = 0
        for number in order:
            rows, columns = vectors[4 * number + rows_of], vectors[4 * number + columns_of]
            assert len(columns) == layout.columns
            shown = (rows > 0)[:, None] & (columns > 0)
            tile[top : top + len(rows)][shown] = number
            for place, length in ((rows, "rows"), (columns, "columns")):
                level = layout.levels[number] if number < len(layout.levels) else Rectangle(0, 0, -1, -1)
                size = level.bottom - level.top + 1 if length == "rows" else level.right - level.left + 1
                assert place[place > 0].tolist() in ([], list(range(1, size + 1)))
            top += len(rows)
        assert top == layout.rows
    expected = np.full_like(tile, -1)
    for number, level in enumerate(layout.levels):
        expected[level.top : level.bottom + 1, level.left : level.right + 1] = number
    np.testing.assert_array_equal(tile, expected)


def test_there_is_a_vector_for_each_input_of_each_level() -> None:
    layout = pyramid.layout(480, 640)
    assert layout is not None
    given = tables(layout)
    assert len(given[PLACES_SIZES]) == 4 * (LEVELS - 1) + 4 * LEVELS
    assert len(given[SHARES_SIZES]) == 4 * (LEVELS - 1)
    assert given[PLACES_SIZES].sum() == len(given[PLACES])
    assert given[SHARES_SIZES].sum() == len(given[SHARES])
    # The weights of two rows add up to 1.
    up, down = np.split(given[SHARES], np.cumsum(given[SHARES_SIZES])[:-1])[:2]
    np.testing.assert_allclose(up + down, 1, atol=1e-7)
