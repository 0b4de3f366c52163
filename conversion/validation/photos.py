"""Photos that a user names, as further pictures to prove graphs on. They are read in place and never kept."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from conversion.validation import reference
from conversion.validation.pictures import Picture
from service.recognition.contract import CHIP_SIDE

ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp"))
LARGEST_SIDE = 500
"""Pixels; larger photos are scaled down, since dlib's wheels take 6 seconds a megapixel."""
MOST_PHOTOS = 5
"""So that a folder of thousands adds half a minute to a conversion and not a day."""
MARGIN = 0.25
"""Of a face's side, around it: what a chip shows beside the face (face_recognition.cpp, padding)."""


class PhotoError(Exception):
    """A folder without photos, or a photo that cannot be read."""


def read_photos(folder: Path) -> list[Picture]:
    """The first MOST_PHOTOS photos of a folder by name, scaled down to LARGEST_SIDE. Raises PhotoError."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)[:MOST_PHOTOS]
    except OSError as error:
        raise PhotoError(f"cannot list the photos in {folder}: {error.strerror}") from error
    if not files:
        raise PhotoError(f"no photo ({', '.join(sorted(ENDINGS))}) in {folder}")
    return [_read(file) for file in files]


def scene_of(photo: Picture) -> list[Picture]:
    """The photo itself."""
    return [photo]


def faces_of(photo: Picture) -> list[Picture]:
    """A square around each face, 150x150. Not aligned as chips are, which would take landmarks: what is compared
    is the network, and any picture of that size will do for it."""
    return [_square(photo, *box) for _, *box in reference.frontal_faces([photo])]


def _square(photo: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    more = MARGIN * (right - left)
    box = (left - more, top - more, right + more, bottom + more)
    rows, columns = photo.shape[:2]
    inside = (max(box[0], 0), max(box[1], 0), min(box[2], columns), min(box[3], rows))
    face = Image.fromarray(photo).resize((CHIP_SIDE, CHIP_SIDE), Image.Resampling.BILINEAR, box=inside)
    return np.asarray(face)


def _read(file: Path) -> Picture:
    try:
        with Image.open(file) as image:
            photo = image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise PhotoError(f"cannot read the photo {file}: {error}") from error
    photo.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return np.asarray(photo)
