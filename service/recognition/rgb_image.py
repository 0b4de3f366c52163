"""Validation of an image: an array of RGB pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def validated(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image as the stages take it, C-contiguous. Raises ValueError if the array has another dtype or shape."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"an RGB image is uint8 (rows, columns, 3), not {image.dtype} {image.shape}{_remedy(image)}"
        )
    return np.ascontiguousarray(image)


def _remedy(image: NDArray[Any]) -> str:
    """The conversion of a common other form of an image, to end the message of an error."""
    match image.shape:
        case _ if 0 in image.shape:
            return ""
        case (_, _):
            return ": a gray image becomes one by numpy.stack([image] * 3, axis=2)"
        case (_, _, 1):
            return ": a gray image becomes one by image.repeat(3, axis=2)"
        case (_, _, 4):
            return ": drop the alpha channel, image[:, :, :3]"
        case (3, _, columns) if columns != 3:
            return ": move the channels to the end, image.transpose(1, 2, 0)"
        case (_, _, 3) if image.dtype.kind == "f":
            return ": scale values from 0 to 1 by 255, and convert them by .astype(numpy.uint8)"
    return ""
