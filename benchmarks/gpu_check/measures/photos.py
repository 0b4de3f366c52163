"""Photos of the check, made from those of PyPI packages: for parity, for speed, and of many shapes for memory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.parity.decoded_photos import Photo, decoded
from service.images.app_uploads import encoded, scaled

SHAPES = [(rows, columns) for rows in range(200, 700, 50) for columns in range(220, 820, 120)]
"""Rows and columns of 50 pictures of 0.04 to 0.46 megapixels."""
ORDER_STEP = 7
"""Step through the shapes, coprime to their number, so that sizes do not rise from picture to picture."""
PORTRAITS = ("astronaut.png", "biden.jpg", "800px-Katherine_Maher.jpg", "obama2.jpg")
"""Photos with a face, which make every stage work."""
NUMBER_OF_PORTRAITS = len(PORTRAITS)


def for_parity(paths: Sequence[Path], count: int, megapixels: float) -> list[Photo]:
    """Photos scaled down to an area; if there are too few, the rest are their mirror images.

    Raises:
        ValueError: a photo cannot be decoded. One line.
    """
    undecodable: list[str] = []
    photos = list(decoded(_portraits_first(paths)[:count], int(megapixels * 1e6), undecodable))
    if undecodable:
        raise ValueError(f"a photo of a package cannot be decoded: {undecodable[0]}")
    mirrored = [
        replace(photo, name=f"{photo.name}, mirrored", image=np.ascontiguousarray(photo.image[:, ::-1]))
        for photo in photos[: count - len(photos)]
    ]
    return [*photos, *mirrored]


def for_speed(photos: Sequence[Photo], megapixels: float) -> list[bytes]:
    """The portraits at this area, encoded as the app does."""
    return [encoded(scaled(photo.image, megapixels)) for photo in photos[:NUMBER_OF_PORTRAITS]]


def of_shapes(photo: Photo, count: int) -> list[bytes]:
    """One photo stretched to the first shapes, in an order without a trend."""
    sizes = [SHAPES[number * ORDER_STEP % len(SHAPES)] for number in range(count)]
    return [
        encoded(
            np.ascontiguousarray(
                cv2.resize(photo.image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8
            )
        )
        for rows, columns in sizes
    ]


def _portraits_first(paths: Sequence[Path]) -> list[Path]:
    rank = {name: number for number, name in enumerate(PORTRAITS)}
    return sorted(paths, key=lambda path: rank.get(path.name, len(rank)))
