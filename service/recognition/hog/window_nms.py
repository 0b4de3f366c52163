"""Which of the windows that fired are faces: of two that overlap, the one with the lower score goes.

Source: dlib/image_processing/object_detector.h (object_detector::operator()).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from service.recognition.geometry import Rectangle
from service.recognition.nms import Boxes, OverlapRule


class Window(NamedTuple):
    """A window whose score is over its threshold. Windows sort as dlib looks at them: the highest score first."""

    descending: float
    """The score above the threshold, negated."""
    part: int
    """The part of the detector that fired."""
    level: int
    row: int
    column: int
    rectangle: Rectangle
    """In pixels of the doubled photo."""

    @property
    def score(self) -> float:
        return -self.descending


def survivors(windows: Iterable[Window], rule: OverlapRule) -> list[Window]:
    """The windows that are faces, the highest score first."""
    descending = sorted(windows)
    return [descending[number] for number in rule.survivors(_boxes(descending))]


class Closure:
    """The fate of single windows, without knowing all windows of the photo.

    A window is a face unless a window of a higher score that overlaps it is one. So its fate hangs on those
    around it that score higher, theirs on the ones around them, and so on; no other window matters. As scores
    rise along such a chain, it ends.

    Args:
        rule: when two windows are the same face.
        around: all windows, over their thresholds, that could be the same face as a given one. More may be
            returned, also the window itself.
    """

    def __init__(self, rule: OverlapRule, around: Callable[[Window], Iterable[Window]]) -> None:
        self._rule = rule
        self._around = around
        self._fates: dict[Window, bool] = {}

    def is_face(self, window: Window) -> bool:
        """Whether `survivors` of all windows of the photo would hold this one."""
        pending = [window]
        while pending:
            current = pending[-1]
            unknown = self._judge(current)
            if unknown is None:
                pending.pop()
            else:
                pending.append(unknown)
        return self._fates[window]

    def _judge(self, window: Window) -> Window | None:
        """Decide the fate of a window, or return one whose fate has to be known first."""
        if window in self._fates:
            return None
        higher = [other for other in self._around(window) if other < window]
        same = self._rule.same_face(np.array(window.rectangle), _boxes(higher))
        stronger = [other for other, overlaps in zip(higher, same, strict=True) if overlaps]
        if any(self._fates.get(other, False) for other in stronger):
            self._fates[window] = False
            return None
        unknown = [other for other in stronger if other not in self._fates]
        if unknown:
            return min(unknown)
        self._fates[window] = True
        return None


def _boxes(windows: Sequence[Window]) -> Boxes:
    return np.array([window.rectangle for window in windows], np.int64).reshape(-1, 4)
