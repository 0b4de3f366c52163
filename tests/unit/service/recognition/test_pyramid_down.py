"""The shared pyramid rules against dlib's own pyramid_down; the detectors' level tests compare the pixels."""

import dlib
import numpy as np
import pytest

from service.recognition.pyramid_down import RATE, column_positions, point_down, point_up, row_positions


def test_points_are_mapped_as_dlib_maps_them() -> None:
    dlibs = dlib.pyramid_down(RATE)
    for x in range(-50, 1000, 7):
        assert point_up(np.array([x + 0.5])) == dlibs.point_up(dlib.dpoint(x + 0.5, 0)).x
        assert point_down(np.array([x])) == dlibs.point_down(dlib.dpoint(x, 0)).x


@pytest.mark.parametrize(("source", "target"), [(6, 5), (100, 83), (3000, 2500), (33, 66), (40, 1)])
def test_corners_are_kept(source: int, target: int) -> None:
    in_lanes, in_tail = column_positions(source, target)
    columns = np.concatenate([in_lanes, in_tail])
    for positions in (columns, row_positions(source, target)):
        assert len(positions) == target
        assert positions[0] == 0
        assert positions[-1] == pytest.approx(source - 1 if target > 1 else 0, rel=1e-5)


def test_the_first_columns_are_whole_groups_of_four_lanes() -> None:
    in_lanes, in_tail = column_positions(100, 83)
    assert (len(in_lanes), len(in_tail)) == (80, 3)
    assert (in_lanes.dtype.name, in_tail.dtype.name) == ("float32", "float64")
