"""Response bodies of `/detect` and `/compute`, as JSON."""

from collections.abc import Mapping, Sequence

from service.json_text import serialised
from service.recognition.recognizer import Face


def detected(name: str, faces: Sequence[Face]) -> bytes:
    """Response of `/detect`."""
    content = [
        {
            "detection_confidence": float(face.confidence),
            "left": int(face.box.left),
            "top": int(face.box.top),
            "right": int(face.box.right),
            "bottom": int(face.box.bottom),
            **_described(face),
        }
        for face in faces
    ]
    return serialised({"filename": name, "faces-count": len(content), "faces": content})


def computed(name: str, echo: Mapping[str, object], face: Face) -> bytes:
    """Response of `/compute`: all fields of the request's face (`echo`), with landmarks and descriptor."""
    return serialised({"filename": name, "face": {**echo, **_described(face)}})


def _described(face: Face) -> dict[str, object]:
    return {
        "landmarks": [{"x": x, "y": y} for x, y in face.landmarks.tolist()],
        "descriptor": face.descriptor.tolist(),
    }
