"""Bounds on the windows that can overlap a box or confirm a face, against all windows of a photo."""

import numpy as np
import pytest

from service.recognition.geometry import Rectangle
from service.recognition.hog import filters as hog_filters
from service.recognition.hog import levels as hog_levels
from service.recognition.hog.confirmation import confirms
from service.recognition.hog.windows import Region, WindowGrid, in_photo

RULE = hog_filters.load().rule
LEVELS = hog_levels.sizes(150, 190)


def _grids() -> list[WindowGrid]:
    return [WindowGrid.of_level(number, *size) for number, size in enumerate(LEVELS)]


def _inside(region: Region | None, row: int, column: int) -> bool:
    return region is not None and region.top <= row < region.bottom and region.left <= column < region.right


@pytest.mark.parametrize("seed", range(6))
def test_the_region_holds_every_window_that_confirms_a_face(seed: int) -> None:
    state = np.random.default_rng(seed)
    left, top, side = state.integers(-30, 150), state.integers(-30, 120), state.integers(40, 160)
    face = Rectangle(int(left), int(top), int(left + side), int(top + side * state.uniform(0.8, 1.3)))
    found = 0
    for grid in _grids():
        region = grid.could_confirm(face)
        for row in range(grid.region.bottom):
            for column in range(grid.region.right):
                if confirms(in_photo(grid.box(row, column)), face):
                    assert _inside(region, row, column)
                    found += 1
    assert found > 0


@pytest.mark.parametrize("seed", range(6))
def test_the_region_holds_every_window_that_overlaps_a_box(seed: int) -> None:
    state = np.random.default_rng(seed)
    grids = _grids()
    number = int(state.integers(len(grids) - 2))
    box = grids[number].box(
        int(state.integers(grids[number].region.bottom)), int(state.integers(grids[number].region.right))
    )
    left_out = 0
    for grid in grids:
        region = grid.could_overlap(box, RULE)
        for row in range(grid.region.bottom):
            boxes = np.array([grid.box(row, column) for column in range(grid.region.right)])
            for column, same in enumerate(RULE.same_face(np.array(box), boxes)):
                if same:
                    assert _inside(region, row, column)
                else:
                    left_out += not _inside(region, row, column)
    assert left_out > 1000


def test_a_level_without_windows_and_a_face_without_area_have_no_region() -> None:
    empty = WindowGrid.of_level(3, 19, 400)
    assert empty.region.windows == 0
    assert empty.could_confirm(Rectangle(0, 0, 50, 50)) is None
    assert empty.could_overlap(Rectangle(0, 0, 50, 50), RULE) is None
    assert _grids()[0].could_confirm(Rectangle(50, 50, 50, 90)) is None
