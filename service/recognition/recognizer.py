"""The whole story of a photo: find the faces, mark them, cut them out, describe them, confirm them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.recognition.geometry import Rectangle


@dataclass(frozen=True)
class Face:
    """One face of a photo, in pixels of the array that was given."""

    rectangle: Rectangle
    confidence: float
    """The CNN detector's score (0.8 of it on a face that HOG does not confirm), or 1.1 for a HOG face."""
    landmarks: NDArray[np.int64]
    """Shape (5 or 68, 2): x, y."""
    descriptor: NDArray[np.float32]
    """Shape (128,); not normalised, compare by Euclidean distance."""
