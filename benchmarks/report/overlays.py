"""Discrepancies in the report: both sides' faces in words and, on request, drawn on the photo."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.harness.faces import AnsweredFace
from benchmarks.parity.discrepancies import Discrepancy, Image
from benchmarks.report.drawing import LIGHT

SIDE = 300
"""Longer side of a drawing in pixels."""
QUALITY = 85
"""JPEG quality of the drawings."""
FINE = 4
"""Fractional bits of OpenCV's drawing coordinates: sixteenths of a pixel."""


@dataclass(frozen=True)
class Overlay:
    """One side of a discrepancy for the template; `picture` is a data URI, or None."""

    side: str
    colour: str
    confidence: str
    picture: str | None


@dataclass(frozen=True)
class DiscrepancyView:
    """Discrepancy for the template."""

    photo: str
    summary: str
    sides: tuple[Overlay, Overlay]


def shown(discrepancies: Sequence[Discrepancy]) -> list[DiscrepancyView]:
    """Discrepancies for the template, drawn if they have an image."""
    return [
        DiscrepancyView(
            # A file name may contain bytes that are not UTF-8, which Python keeps as surrogates.
            discrepancy.problem.photo.encode(errors="surrogateescape").decode(errors="replace"),
            discrepancy.problem.summary,
            (
                _side("baseline", "dlib", discrepancy, discrepancy.problem.reference),
                _side("candidate", "ours", discrepancy, discrepancy.problem.candidate),
            ),
        )
        for discrepancy in discrepancies
    ]


def _side(side: str, colour: str, discrepancy: Discrepancy, face: AnsweredFace | None) -> Overlay:
    words = "no face" if face is None else f"confidence {face.confidence:.6f}"
    picture = (
        None
        if discrepancy.image is None
        else _uri(_drawn(discrepancy.image, discrepancy.corner, face, LIGHT[colour]))
    )
    return Overlay(side, colour, words, picture)


def _drawn(image: Image, corner: tuple[int, int], face: AnsweredFace | None, colour: str) -> Image:
    rows, columns = image.shape[:2]
    factor = SIDE / max(rows, columns)
    size = (max(round(columns * factor), 1), max(round(rows * factor), 1))
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    canvas = np.ascontiguousarray(cv2.resize(image, size, interpolation=kind), np.uint8)
    if face is None:
        return canvas

    def at(x: float, y: float) -> tuple[int, int]:
        """Centre of a photo's pixel, in sixteenths of a pixel of the drawing."""
        return (
            round(((x - corner[0] + 0.5) * factor - 0.5) * 2**FINE),
            round(((y - corner[1] + 0.5) * factor - 0.5) * 2**FINE),
        )

    box = face.rectangle
    rgb = tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))
    for ink, width in (((255, 255, 255), 5), (rgb, 2)):  # white outline: visible on any photo
        cv2.rectangle(canvas, at(box.left, box.top), at(box.right, box.bottom), ink, width, cv2.LINE_AA, FINE)
    for x, y in np.asarray(face.landmarks).tolist():
        for ink, radius in (((255, 255, 255), 3.5), (rgb, 2.2)):
            cv2.circle(canvas, at(x, y), round(radius * 2**FINE), ink, -1, cv2.LINE_AA, FINE)
    return canvas


def _uri(image: Image) -> str:
    written, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not written:
        raise ValueError(f"OpenCV cannot write a JPEG of shape {image.shape}")
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
