import numpy as np
import pytest

from service.recognition.geometry import Rectangle, intersection_over_union, round_half_away


def test_edges_are_inclusive() -> None:
    assert Rectangle(2, 3, 2, 3).area == 1
    assert Rectangle(2, 3, 1, 3).area == 0


def test_rectangles_that_share_an_edge_intersect() -> None:
    assert Rectangle(0, 0, 5, 5).intersects(Rectangle(5, 5, 9, 9))
    assert not Rectangle(0, 0, 5, 5).intersects(Rectangle(6, 0, 9, 9))


def test_rectangle_contains_itself_but_no_rectangle_beyond_its_edges() -> None:
    box = Rectangle(0, 0, 9, 9)
    assert box.contains(box)
    assert not box.contains(Rectangle(1, 1, 10, 9))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # edges as points: a shared edge is no area
        ((0, 0, 10, 10), (2, 2, 4, 4), 4 / 100),
    ],
)
def test_iou_counts_edges_as_points(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int], expected: float
) -> None:
    assert intersection_over_union(Rectangle(*first), Rectangle(*second)) == expected
    assert intersection_over_union(Rectangle(*second), Rectangle(*first)) == expected


def test_halves_round_away_from_zero_as_in_c() -> None:
    values = np.array([0.5, 1.5, 2.5, -0.5, -2.5, 2.4])
    assert round_half_away(values).tolist() == [1, 2, 3, -1, -3, 2]
