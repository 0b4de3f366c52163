"""Grouping of faces by the Nextcloud app, and the sizes of photos that it sends, for the page."""

from typing import NamedTuple

from service.recognition import grouping


class Grouping(NamedTuple):
    """The app's defaults: the faces that it compares, and those that it puts into one person."""

    confidence: float = grouping.CONFIDENCE
    side: int = grouping.SIDE
    distance: float = grouping.DISTANCE
    photo_side: int = 512
    """`min_image_size`, in pixels: the app sends no photo with a smaller width or height."""


AREAS = {
    300_000: "0.3 megapixels, the app's fast pass",
    1_200_000: "1.2 megapixels",
    4_000_000: "4 megapixels",
}
"""Areas in pixels to which the page scales a photo before it is sent, and their names."""
USUAL_AREA = 1_200_000
"""The area of the measurements in the documentation. The page cannot read the one in Nextcloud."""
