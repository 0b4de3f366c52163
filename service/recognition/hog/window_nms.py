"""Dlib's non-maximum suppression (NMS) of sliding windows: of all windows of a photo, and of a single window.

Source: dlib/image_processing/object_detector.h (object_detector::operator()).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from service.recognition.geometry import Rectangle
from service.recognition.nms import Boxes, OverlapRule


class Window(NamedTuple):
    """A sliding window above the threshold. Windows sort in NMS order: by descending score."""

    negated_score: float
    """Threshold minus score."""
    part: int
    """Number of the filter with this score (`HogFace.part`)."""
    level: int
    row: int
    column: int
    rectangle: Rectangle
    """Box in pixels of the doubled photo."""

    @property
    def score(self) -> float:
        """Score above the threshold."""
        return -self.negated_score


def suppress(windows: Iterable[Window], rule: OverlapRule) -> list[Window]:
    """NMS of all windows of a photo: the kept windows by descending score."""
    descending = sorted(windows)
    return [descending[number] for number in rule.non_maximum_suppression(_boxes(descending))]


class LocalNms:
    """NMS of a single window, from only the windows that its result depends on.

    NMS keeps a window unless it keeps a window of a higher score that overlaps it. So the result depends on the
    overlapping windows of higher scores, on the windows that overlap them, and so on; no other window matters. This is
    a depth-first search of a graph without cycles, since scores rise along every path.

    Args:
        rule: the overlap rule.
        overlapping: returns all windows above the threshold that overlap a given window by the rule. The result may
            include other windows, and the window itself.
    """

    def __init__(self, rule: OverlapRule, overlapping: Callable[[Window], Iterable[Window]]) -> None:
        self._rule = rule
        self._overlapping = overlapping
        self._kept: dict[Window, bool] = {}
        """Decided windows: True if NMS keeps the window."""

    def keeps(self, window: Window) -> bool:
        """True if `suppress` of all windows of the photo keeps this one."""
        pending = [window]
        while pending:
            undecided = self._decide(pending[-1])
            if undecided is None:
                pending.pop()
            else:
                pending.append(undecided)
        return self._kept[window]

    def _decide(self, window: Window) -> Window | None:
        """Decide a window, or return an undecided window that it depends on."""
        if window in self._kept:
            return None
        higher = [other for other in self._overlapping(window) if other < window]
        overlaps = self._rule.same_face(np.array(window.rectangle), _boxes(higher))
        suppressors = [other for other, overlap in zip(higher, overlaps, strict=True) if overlap]
        if any(self._kept.get(other, False) for other in suppressors):
            self._kept[window] = False
            return None
        undecided = [other for other in suppressors if other not in self._kept]
        if undecided:
            return min(undecided)
        self._kept[window] = True
        return None


def _boxes(windows: Sequence[Window]) -> Boxes:
    return np.array([window.rectangle for window in windows], np.int64).reshape(-1, 4)
