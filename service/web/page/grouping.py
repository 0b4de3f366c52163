"""Defaults of the Nextcloud app by which it groups faces into persons (facerecognition 0.9.95, SettingsService)."""

from typing import NamedTuple


class Grouping(NamedTuple):
    """Which faces the app compares, and which it puts into one person."""

    confidence: float = 0.99
    """`min_confidence`: a face below is stored and never grouped."""
    side: int = 40
    """`min_face_size`, in pixels of the original photo, to which the app scales the boxes back (ImageProcessingTask).
    A face with a smaller width or height is stored and never grouped."""
    distance: float = 0.4
    """`sensitivity`: faces with a smaller Euclidean distance of their descriptors are connected. From 0.2 to 0.6."""
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
