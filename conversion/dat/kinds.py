"""Detection of the kind of a file, for error messages about a wrong file."""

from conversion.dat.primitives import DatError, Reader

_SIGNATURES = (
    (b"BZh", "a bzip2 archive: unpack it first (bunzip2)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
_MAXIMUM_NAME = 64
"""Upper bound of a loss layer's name, in bytes (dlib/dnn/loss.h)."""


def describe(data: bytes) -> str:
    """Kind of a file, from its first bytes: 'a shape_predictor of 5 points'."""
    if not data:
        return "an empty file"
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    start = data[:_MAXIMUM_NAME].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, such as a server's error page for a missing file"
    return _dlib_kind(data) or f"a file of an unknown kind that begins with the bytes {data[:8].hex(' ')}"


def _dlib_kind(data: bytes) -> str | None:
    loss = network_loss(data)
    if loss is not None:
        return f"a network with {loss}"
    # A shape_predictor begins with its version and a column vector of coordinates. A matrix has its size as negative
    # numbers (dlib/image_processing/shape_predictor.h, dlib/matrix/matrix.h).
    try:
        reader = Reader(data[:_MAXIMUM_NAME])
        reader.version("a shape_predictor", 1)
        coordinates = -reader.integer("rows", most=-1)
        reader.integer("columns", -1, -1)
    except DatError:
        return None
    return f"a shape_predictor of {coordinates // 2} points"


def network_loss(data: bytes) -> str | None:
    """Name of the loss layer, such as 'loss_metric_2'; None if `data` does not begin like a network of dlib."""
    try:
        reader = Reader(data[: 2 * _MAXIMUM_NAME])
        reader.version("a network", 1)
        name = reader.string("loss layer")
    except DatError:
        return None
    return name if name.startswith("loss_") and len(name) <= _MAXIMUM_NAME and name.isprintable() else None
