"""Uploads of the Nextcloud app: a photo scaled to one area and encoded as JPEG. For estimates and benchmarks."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, 80),
    *(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
)
"""The app uploads progressive JPEGs of quality 80 with 4:2:0 chroma subsampling."""


def scaled(image: NDArray[np.uint8], megapixels: float) -> NDArray[np.uint8]:
    """Scale a photo, up or down, to this area or slightly less: the app limits the area."""
    rows, columns = image.shape[:2]
    factor = math.sqrt(megapixels * 1e6 / (rows * columns))
    size = (max(int(columns * factor), 1), max(int(rows * factor), 1))
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=kind), np.uint8)


def encoded(image: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image as the app does (`JPEG`)."""
    return cv2.imencode(".jpg", image[:, :, ::-1], JPEG)[1].tobytes()
