"""Annotated copies of photos: box, landmarks and confidence of each face, in the colour of its fate in Nextcloud."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.commands.shared.photo_files import COPY_ENDING
from service.recognition.recognizer import Face

GROUPED, NOT_GROUPED = "#3ddc68", "#ff9f2e"
"""Colours of faces that the app groups into persons, and of those that it only keeps."""

STROKE_SHARE = 300
"""Divisor of the photo's longer side. The quotient is the width of a line."""
QUALITY = 90


def copy_of(photo: Path, folder: Path) -> Path:
    """File of a photo's annotated copy, in `folder`, below the folders of the photo's path."""

    places = [part for part in photo.parent.parts if part not in (photo.anchor, "..")]
    return folder.joinpath(*places, photo.name + COPY_ENDING)


def write_annotated(image: NDArray[np.uint8], faces: Sequence[Face], file: Path) -> None:
    """Write a copy of an RGB image with its faces as JPEG. Raises OSError."""
    copy = Image.fromarray(image)
    draw = ImageDraw.Draw(copy)
    stroke = max(max(copy.size) // STROKE_SHARE, 2)
    font = ImageFont.load_default(10 * stroke + 4)
    for face in faces:
        box = face.box
        colour = GROUPED if face.grouped else NOT_GROUPED
        draw.rectangle((box.left, box.top, box.right, box.bottom), outline=colour, width=stroke)
        for x, y in face.landmarks.tolist():
            draw.ellipse((x - stroke, y - stroke, x + stroke, y + stroke), fill=colour)
        corner = (max(box.left, 0), max(box.top, 0))
        text = f"{face.confidence:.2f}"
        draw.rectangle(draw.textbbox(corner, text, font), fill="black")
        draw.text(corner, text, fill=colour, font=font)
    file.parent.mkdir(parents=True, exist_ok=True)
    copy.save(file, "JPEG", quality=QUALITY)
