"""The JSON that callers read. The app takes anything else for "no faces", so nothing here may drift."""

import json
from collections.abc import Mapping, Sequence

from starlette.responses import Response

from service.recognition.recognizer import Face

JSON = "application/json"


def serialised(content: Mapping[str, object]) -> bytes:
    """`content` as JSON in ASCII. Raises ValueError on NaN or an infinity, which PHP could not read."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def answer(content: Mapping[str, object], status: int = 200) -> Response:
    return Response(serialised(content), status, media_type=JSON)


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(serialised({"error": message}), status, headers=headers, media_type=JSON)


def detected(name: str, faces: Sequence[Face]) -> bytes:
    """The answer of `/detect`."""
    content = [
        {
            "detection_confidence": float(face.confidence),
            "left": int(face.rectangle.left),
            "top": int(face.rectangle.top),
            "right": int(face.rectangle.right),
            "bottom": int(face.rectangle.bottom),
            **_described(face),
        }
        for face in faces
    ]
    return serialised({"filename": name, "faces-count": len(content), "faces": content})


def computed(name: str, echo: Mapping[str, object], face: Face) -> bytes:
    """The answer of `/compute`: the face as it came in, with what was found on it."""
    return serialised({"filename": name, "face": {**echo, **_described(face)}})


def _described(face: Face) -> dict[str, object]:
    return {
        "landmarks": [{"x": x, "y": y} for x, y in face.landmarks.tolist()],
        "descriptor": face.descriptor.tolist(),
    }
