"""Parsing and validation of the form field `face` of `/compute`: JSON with the rectangle of a known face."""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

from service.messages import FACE_FIELD
from service.recognition.geometry import Rectangle

MAXIMUM_EDGE = 2**24
"""Maximum distance from the origin in pixels: float32, the type of landmarks, represents all integers up to 2^24."""

MAXIMUM_FACE = 1024**2
"""Bytes of the form field. A face with landmarks and descriptor has 4 KiB; parsing holds the GIL for up to 40 ms a
megabyte."""

MAXIMUM_DEPTH = 100
"""Levels of nesting; a face with landmarks has 3. The response repeats the face one level deeper. The depth that Python
can serialise depends on its version and on the stack: some 1,000 levels in 3.11."""


class BadFace(Exception):
    """The form field `face` does not describe a face."""


class KnownFace(NamedTuple):
    """The face of a `/compute` request."""

    echo: dict[str, object]
    """All fields of the request's face; the response repeats them."""
    rectangle: Rectangle


def face_of(part: bytes | None) -> KnownFace:
    """Parse the form field `face`; None stands for a form without it. Raises BadFace."""
    if part is None:
        raise BadFace(f"the form has no field {FACE_FIELD!r}: send the face as JSON in it")
    if len(part) > MAXIMUM_FACE:
        raise BadFace(f"the field {FACE_FIELD!r} has {len(part)} bytes, the limit is {MAXIMUM_FACE}")
    return parse_face(part)


def parse_face(text: str | bytes) -> KnownFace:
    """Parse a JSON object with at least left, top, right and bottom.

    Edges are in pixels of the upright photo, inclusive, and may lie outside of it. Raises BadFace.
    """
    try:
        face = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        depth = _depth(face)
    except (ValueError, RecursionError) as error:
        raise BadFace(f"the field {FACE_FIELD!r} is not JSON: {error}") from None
    if not isinstance(face, dict):
        raise BadFace(f"the field {FACE_FIELD!r} is not a JSON object")
    if depth > MAXIMUM_DEPTH:
        raise BadFace(f"the field {FACE_FIELD!r} is nested {depth} levels deep, the limit is {MAXIMUM_DEPTH}")
    rectangle = Rectangle(**{edge: _edge(face, edge) for edge in Rectangle._fields})
    if rectangle.right <= rectangle.left or rectangle.bottom <= rectangle.top:
        # dlib computes a descriptor of such a face without an error, from points that coincide or are upside down.
        raise BadFace("the face is empty: right must be greater than left, and bottom greater than top")
    return KnownFace(face, rectangle)


def check_within(rectangles: Sequence[Rectangle], width: int, height: int) -> None:
    """Raise BadFace for a rectangle with no pixel in the upright photo of `width` x `height`.

    Dlib computes a descriptor of such a face without an error, from pixels repeated at the border: it would describe no
    face. A rectangle that reaches over the border is valid.
    """
    photo = Rectangle(0, 0, width - 1, height - 1)
    for rectangle in rectangles:
        if not rectangle.intersects(photo):
            edges = ", ".join(f"{name} {value}" for name, value in rectangle._asdict().items())
            raise BadFace(
                f"the face ({edges}) lies outside of the photo, which is {width} x {height} pixels upright"
            )


def _depth(value: object) -> int:
    """Number of nesting levels of parsed JSON. Raises RecursionError far beyond MAXIMUM_DEPTH."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _edge(face: dict[str, object], name: str) -> int:
    if name not in face:
        raise BadFace(f"the face has no edge {name!r}")
    value = face[name]
    # PHP writes an integer as 102, 102.0 or "102", depending on its source.
    if isinstance(value, str) and len(value) <= len(str(-MAXIMUM_EDGE)):
        with suppress(ValueError):
            value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadFace(f"the edge {name!r} is not an integer")
    if abs(value) > MAXIMUM_EDGE:
        raise BadFace(f"the edge {name!r} is more than {MAXIMUM_EDGE} pixels away from the photo's origin")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
