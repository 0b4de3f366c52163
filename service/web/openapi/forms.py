"""Forms of the requests with a photo (`multipart/form-data`)."""

from typing import Any

from service.messages import FACE_FIELD
from service.web.openapi.answers import KnownFace
from service.web.openapi.fields import reference
from service.web.uploads import PHOTO_FIELD

MEDIA_TYPE = "multipart/form-data"

_PHOTO = {
    "type": "string",
    "contentMediaType": "application/octet-stream",
    "format": "binary",  # the notation of OpenAPI 3.0, which many tools expect beside that of 3.1
    "description": "The photo as a file: JPEG, PNG, BMP, WebP, GIF, TIFF, AVIF or HEIC. The bytes decide the format, "
    "not the content type of the part. The part needs a file name, which may be a path: the answer has its base name. "
    "Nothing is stored under it.",
}
_FACE = {
    **reference(KnownFace),
    "description": "The face as JSON.",
    "examples": [{"left": 168, "top": 69, "right": 263, "bottom": 164}],
}


def _form(description: str, fields: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    content = {
        "schema": {"type": "object", "properties": fields, "required": list(fields)},
        "encoding": encoding,
    }
    return {"required": True, "description": description, "content": {MEDIA_TYPE: content}}


DETECT = _form(
    "A form with the photo. Other fields are ignored; there may be 32 files and 32 other fields.",
    {PHOTO_FIELD: _PHOTO},
    {},
)
"""Request body of `/detect`."""

COMPUTE = _form(
    "A form with the photo at its own size, and with a face in it. Other fields are ignored.",
    {PHOTO_FIELD: _PHOTO, FACE_FIELD: _FACE},
    {FACE_FIELD: {"contentType": "application/json"}},
)
"""Request body of `/compute`."""
