"""Photos of the user as additional pictures for validation, read in place and never copied."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from conversion.validation import reference
from service.recognition.contract import CHIP_SIDE
from service.recognition.synthetic_pictures import Picture

ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp"))
MAXIMUM_PHOTO_SIDE = 500
"""Pixels; larger photos are scaled down, since dlib's wheels take 6 seconds per megapixel."""
MAXIMUM_PHOTOS = 5
"""Number of photos read from a folder: they take half a minute of a conversion; thousands would take a day."""
MARGIN = 0.25
"""Margin around a face, as a fraction of its side: the padding of a chip (face_recognition.cpp)."""


class PhotoError(Exception):
    """A folder has no photos, or a photo cannot be read."""


def read_photos(folder: Path) -> list[Picture]:
    """The first MAXIMUM_PHOTOS photos of a folder by name, scaled down to MAXIMUM_PHOTO_SIDE. Raises PhotoError."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)[:MAXIMUM_PHOTOS]
    except OSError as error:
        raise PhotoError(f"cannot list the photos in {folder}: {error.strerror}") from error
    if not files:
        raise PhotoError(f"no photo ({', '.join(sorted(ENDINGS))}) in {folder}")
    return [_read(file) for file in files]


def whole_photo(photo: Picture) -> list[Picture]:
    """The photo itself, for detectors."""
    return [photo]


def face_crops(photo: Picture) -> list[Picture]:
    """Crops of 150x150 around each face of dlib's HOG detector. Raises DlibUnavailableError or DlibError.

    Not aligned like chips, which would need landmarks: any picture of that size can be compared.
    """
    return [_crop(photo, *box) for _, *box in reference.frontal_faces([photo])]


def _crop(photo: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    margin = MARGIN * (right - left)
    box = (left - margin, top - margin, right + margin, bottom + margin)
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
    photo.thumbnail((MAXIMUM_PHOTO_SIDE, MAXIMUM_PHOTO_SIDE))
    return np.asarray(photo)
