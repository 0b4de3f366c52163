"""When two boxes are one face, as dlib's detectors see it.

Source: dlib/image_processing/box_overlap_testing.h (test_box_overlap).
"""

from dataclasses import dataclass

from service.recognition.geometry import Rectangle


@dataclass(frozen=True)
class OverlapRule:
    """The two thresholds that a detector's file carries."""

    overlap: float
    """Intersection over BOUNDING box (not union) above which they are."""
    covered: float
    """Share of either box that, once inside the other, makes them the same face."""

    def same_face(self, first: Rectangle, second: Rectangle) -> bool:
        shared = first.intersection(second).area
        if shared == 0:
            return False
        return (
            shared / first.bounding(second).area > self.overlap
            or shared / first.area > self.covered
            or shared / second.area > self.covered
        )
