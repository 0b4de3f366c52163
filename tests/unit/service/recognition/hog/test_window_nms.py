"""NMS of windows: the overlap rule, and NMS of a single window from only the windows that it depends on."""

from collections.abc import Iterable
from itertools import count

import numpy as np
import pytest

from service.recognition.geometry import Rectangle
from service.recognition.hog.window_nms import LocalNms, Window, suppress
from service.recognition.nms import OverlapRule

RULE = OverlapRule(overlap=0.33, covered=0.79)
_numbers = count()


def _window(left: int, score: float, side: int = 100) -> Window:
    return Window(-score, 0, 0, 0, next(_numbers), Rectangle(left, 0, left + side - 1, side - 1))


def _same_face(first: Rectangle, second: Rectangle) -> bool:
    (same,) = RULE.same_face(np.array(first), np.array([second]))
    return bool(same)


class _Photo:
    """All windows of a synthetic photo; records the windows whose neighbours were requested."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.windows = list(windows)
        self._rectangles = np.array([window.rectangle for window in self.windows])
        self.requested: list[Window] = []

    def overlapping(self, window: Window) -> list[Window]:
        self.requested.append(window)
        same = RULE.same_face(np.array(window.rectangle), self._rectangles)
        return [self.windows[index] for index in np.flatnonzero(same)]


def _chain(length: int) -> list[Window]:
    """Windows in a row with rising scores; each overlaps only its two neighbours."""
    return [_window(40 * number, score=1.0 + number) for number in range(length)]


def test_boxes_overlap_by_their_share_of_the_bounding_box_or_by_being_covered() -> None:
    box = Rectangle(0, 0, 99, 99)
    assert _same_face(box, Rectangle(50, 0, 149, 99))  # 50 of 150
    assert not _same_face(box, Rectangle(51, 0, 150, 99))  # 49 of 151
    assert _same_face(box, Rectangle(-100, -100, 199, 199))  # a ninth, but covered
    assert _same_face(Rectangle(-100, -100, 199, 199), box)
    assert not _same_face(box, Rectangle(100, 0, 199, 99))


def test_an_empty_box_overlaps_no_box() -> None:
    empty = Rectangle(50, 50, 49, 49)
    assert not _same_face(empty, Rectangle(0, 0, 99, 99))
    assert not _same_face(Rectangle(0, 0, 99, 99), empty)
    assert not _same_face(empty, empty)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 500])
def test_keeps_every_second_window_of_a_chain(length: int) -> None:
    """The strongest window suppresses the next, which then cannot suppress the one after it, and so on."""
    windows = _chain(length)
    assert not _same_face(windows[0].rectangle, _window(80, 0).rectangle)
    nms = LocalNms(RULE, _Photo(windows).overlapping)
    expected = [(length - 1 - number) % 2 == 0 for number in range(length)]
    assert [nms.keeps(window) for window in windows] == expected
    assert (
        suppress(windows, RULE)
        == [window for window, kept in zip(windows, expected, strict=True) if kept][::-1]
    )


def test_requests_only_neighbours_along_the_chain_of_a_window() -> None:
    chain, elsewhere = _chain(3), [_window(1000 + 40 * number, 9.0) for number in range(50)]
    photo = _Photo(chain + elsewhere)
    assert LocalNms(RULE, photo.overlapping).keeps(chain[0])
    assert set(photo.requested) <= set(chain)
    assert len(photo.requested) > 1


def test_never_requests_neighbours_of_a_weaker_window() -> None:
    strong, weak = _window(0, 2.0), _window(40, 1.0)
    photo = _Photo([strong, weak])
    assert LocalNms(RULE, photo.overlapping).keeps(strong)
    assert photo.requested == [strong]


@pytest.mark.parametrize("seed", range(20))
def test_equals_nms_of_all_windows(seed: int) -> None:
    state = np.random.default_rng(seed)
    windows = [
        Window(
            -float(score),
            int(part),
            0,
            0,
            number,
            Rectangle(int(x), int(y), int(x + side), int(y + side)),
        )
        for number, (score, part, x, y, side) in enumerate(
            zip(
                state.random(200),
                state.integers(0, 5, 200),
                state.integers(0, 500, 200),
                state.integers(0, 500, 200),
                state.integers(40, 160, 200),
                strict=True,
            )
        )
    ]
    kept = set(suppress(windows, RULE))
    assert 10 < len(kept) < 150
    nms = LocalNms(RULE, _Photo(windows).overlapping)
    assert {
        windows[number] for number in state.permutation(len(windows)) if nms.keeps(windows[number])
    } == kept
