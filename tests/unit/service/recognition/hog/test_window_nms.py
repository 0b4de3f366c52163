"""Who suppresses whom, and that the fate of one window needs no more than its chain."""

from collections.abc import Iterable
from itertools import count

import numpy as np
import pytest

from service.recognition.geometry import Rectangle
from service.recognition.hog.window_nms import Closure, Window, survivors
from service.recognition.nms import OverlapRule

RULE = OverlapRule(overlap=0.33, covered=0.79)
_numbers = count()


def _window(left: int, score: float, side: int = 100) -> Window:
    return Window(-score, 0, 0, 0, next(_numbers), Rectangle(left, 0, left + side - 1, side - 1))


def _same_face(first: Rectangle, second: Rectangle) -> bool:
    (same,) = RULE.same_face(np.array(first), np.array([second]))
    return bool(same)


class _Photo:
    """All windows of a made-up photo; remembers around which of them somebody looked."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.windows = list(windows)
        self._rectangles = np.array([window.rectangle for window in self.windows])
        self.looked_around: list[Window] = []

    def around(self, window: Window) -> list[Window]:
        self.looked_around.append(window)
        same = RULE.same_face(np.array(window.rectangle), self._rectangles)
        return [self.windows[index] for index in np.flatnonzero(same)]


def _chain(length: int) -> list[Window]:
    """Windows in a row, each overlapping only its neighbours, the scores rising."""
    return [_window(40 * number, score=1.0 + number) for number in range(length)]


def test_two_boxes_are_one_face_by_their_share_of_the_bounding_box_or_by_being_covered() -> None:
    box = Rectangle(0, 0, 99, 99)
    assert _same_face(box, Rectangle(50, 0, 149, 99))  # 50 of 150
    assert not _same_face(box, Rectangle(51, 0, 150, 99))  # 49 of 151
    assert _same_face(box, Rectangle(-100, -100, 199, 199))  # a ninth, but covered
    assert _same_face(Rectangle(-100, -100, 199, 199), box)
    assert not _same_face(box, Rectangle(100, 0, 199, 99))


def test_an_empty_box_is_nobodys_face() -> None:
    empty = Rectangle(50, 50, 49, 49)
    assert not _same_face(empty, Rectangle(0, 0, 99, 99))
    assert not _same_face(Rectangle(0, 0, 99, 99), empty)
    assert not _same_face(empty, empty)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 500])
def test_along_a_chain_every_second_window_is_a_face(length: int) -> None:
    """The strongest stays, suppresses the next, which then cannot suppress the one after it, and so on."""
    windows = _chain(length)
    assert not _same_face(windows[0].rectangle, _window(80, 0).rectangle)
    closure = Closure(RULE, _Photo(windows).around)
    expected = [(length - 1 - number) % 2 == 0 for number in range(length)]
    assert [closure.is_face(window) for window in windows] == expected
    assert (
        survivors(windows, RULE)
        == [window for window, face in zip(windows, expected, strict=True) if face][::-1]
    )


def test_only_the_chain_of_a_window_is_looked_at() -> None:
    chain, elsewhere = _chain(3), [_window(1000 + 40 * number, 9.0) for number in range(50)]
    photo = _Photo(chain + elsewhere)
    assert Closure(RULE, photo.around).is_face(chain[0])
    assert set(photo.looked_around) <= set(chain)
    assert len(photo.looked_around) > 1


def test_a_weaker_neighbour_is_never_asked_about() -> None:
    strong, weak = _window(0, 2.0), _window(40, 1.0)
    photo = _Photo([strong, weak])
    assert Closure(RULE, photo.around).is_face(strong)
    assert photo.looked_around == [strong]


@pytest.mark.parametrize("seed", range(20))
def test_the_fate_of_each_of_many_windows_is_that_of_the_whole(seed: int) -> None:
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
    faces = set(survivors(windows, RULE))
    assert 10 < len(faces) < 150
    closure = Closure(RULE, _Photo(windows).around)
    assert {window for window in state.permutation(len(windows)) if closure.is_face(windows[window])} == {
        window.column for window in faces
    }
