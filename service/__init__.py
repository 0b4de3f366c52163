"""An external model for the Face Recognition app of Nextcloud: an HTTP service, and a library without it.

The names of the library are imported from here (docs/reference/python-library.md), and loaded at their first use: the
web process loads none of them, and no numpy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.face_model import FaceModel
    from service.images.errors import ImageTooLarge, UndecodableImage
    from service.recognition.contract import EngineError
    from service.recognition.factory import RecognizerError
    from service.recognition.geometry import Rectangle
    from service.recognition.recognizer import Face
else:
    _MODULES = {
        "EngineError": "service.recognition.contract",
        "Face": "service.recognition.recognizer",
        "FaceModel": "service.face_model",
        "ImageTooLarge": "service.images.errors",
        "RecognizerError": "service.recognition.factory",
        "Rectangle": "service.recognition.geometry",
        "UndecodableImage": "service.images.errors",
    }
    """Name to the module that defines it."""

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})


__all__ = [
    "EngineError",
    "Face",
    "FaceModel",
    "ImageTooLarge",
    "RecognizerError",
    "Rectangle",
    "UndecodableImage",
]
