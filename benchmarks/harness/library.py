"""This checkout's recogniser, opened as a library without HTTP."""

from pathlib import Path

from model_store.models import MODELS
from service.recognition.factory import open_recognizer
from service.recognition.recognizer import Recognizer


def open_library(store: Path, model: int) -> Recognizer:
    """Recogniser of a FACE_MODEL on the converted graphs, warmed up, with all cores for one photo at a time.

    Raises:
        RecognizerError: weights or graphs are missing or damaged.
    """
    recognizer = open_recognizer(MODELS[model], store)
    recognizer.warm_up()
    return recognizer
