"""Models of the answers of all endpoints but `/info`, and of the form field `face`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.web.openapi.fields import Fields

MAXIMUM_EDGE = 2**24
"""Largest distance of an edge from the origin in pixels, in either direction (service.pipeline.face_part)."""

Pixels = Annotated[int, Field(ge=-MAXIMUM_EDGE, le=MAXIMUM_EDGE)]
SentEdge = Pixels | Annotated[str, Field(pattern=r"^-?[0-9]{1,8}$")]
"""An edge in a request: PHP writes an integer as 102, 102.0 or "102"."""
Landmarks = Annotated[list["Point"], Field(min_length=5, max_length=68)]
Descriptor = Annotated[list[float], Field(min_length=128, max_length=128)]


class Error(Fields):
    """An error, with any status but 200."""

    error: str
    """One sentence with the cause, and with a remedy where there is one. It contains no file name and no key."""


class Point(Fields):
    """A landmark in pixels of the upright photo. The origin is the centre of the pixel at the top left."""

    x: int
    """Column, to the right. It may lie outside of the photo."""
    y: int
    """Row, downward. It may lie outside of the photo."""


class Face(Fields):
    """A detected face."""

    detection_confidence: float
    """Score of the CNN detector, about 1. Models 4 and 6 multiply it by 0.8 if HOG does not confirm the face. A face of
    model 3, whose detector is HOG, has 1.1. The app groups no face below 0.99."""
    left: Pixels
    """Leftmost column of the face in pixels of the upright photo, inclusive. Each edge may lie outside of the photo."""
    top: Pixels
    """Topmost row, in pixels, inclusive."""
    right: Pixels
    """Rightmost column, in pixels, inclusive."""
    bottom: Pixels
    """Lowest row, in pixels, inclusive."""
    landmarks: Landmarks
    """Points of dlib's landmark predictor in its order: 5 points, or 68 with model 2."""
    descriptor: Descriptor
    """128 numbers of dlib's network, computed from the face in RGB, upright, 150 × 150 pixels. They are not normalised.
    Two faces are compared by Euclidean distance; the app's threshold is 0.4."""


class Detected(Fields):
    """Faces of a photo."""

    filename: str
    """Base name of the uploaded file, as sent; empty if the form has an empty one."""
    faces_count: int = Field(alias="faces-count", ge=0)
    """Number of elements of `faces`."""
    faces: list[Face]
    """Faces in descending order of confidence; empty if there are none."""


class KnownFace(Fields):
    """A face with known edges, in pixels of the upright photo, inclusive.

    `right` must be greater than `left`, `bottom` greater than `top`, and a part of the face must lie in the photo. All
    other fields are allowed, and the answer repeats them.
    """

    model_config = ConfigDict(extra="allow")

    left: SentEdge
    """Leftmost column."""
    top: SentEdge
    """Topmost row."""
    right: SentEdge
    """Rightmost column."""
    bottom: SentEdge
    """Lowest row."""


class ComputedFace(Fields):
    """The face of the request with all its fields, as sent, and with its landmarks and descriptor."""

    model_config = ConfigDict(extra="allow")

    left: Pixels | str
    """As sent: leftmost column in pixels of the upright photo, inclusive."""
    top: Pixels | str
    """As sent: topmost row."""
    right: Pixels | str
    """As sent: rightmost column."""
    bottom: Pixels | str
    """As sent: lowest row."""
    landmarks: Landmarks
    """As in the answer of `/detect`. It replaces a field of this name in the request."""
    descriptor: Descriptor
    """As in the answer of `/detect`. It replaces a field of this name in the request."""


class Computed(Fields):
    """Landmarks and descriptor of a face with known edges."""

    filename: str
    """Base name of the uploaded file, as sent."""
    face: ComputedFace


class Open(Fields):
    """Photos that the service accepts. The app reads it before each job."""

    preferred_mimetype: Literal["image/jpeg", "image/png"]
    """Format in which the app sends photos: the setting FACE_PREFERRED_MIMETYPE."""
    maximum_area: int = Field(gt=0)
    """Largest photo of `/detect`, in pixels (width × height). The app stops if its own setting is larger."""


class Ready(Fields):
    """A worker process is warm, and a photo is computed at once."""

    ready: Literal[True]
    """Always true: otherwise the status is 503."""
    restarts: int = Field(ge=0)
    """Worker processes that died and were replaced, since the start of the service."""


class Welcome(Fields):
    """A greeting."""

    greeting: str = Field(alias="facerecognition-external-model")
    """`welcome`, or the names of missing or damaged weights and the command that fetches them."""
    version: str
    """Version of this service."""
    model: Literal[1, 2, 3, 4, 6]
    """FACE_MODEL, the number of the model."""
