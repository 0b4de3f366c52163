"""Recognisers on a GPU, or on another engine or provider as reference."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_store.models import MODELS
from service.recognition.engines.precisions import FLOAT32
from service.recognition.factory import open_recognizer
from service.recognition.recognizer import Recognizer


@contextmanager
def recognizer(
    model: int, store: Path, *, engine: str = "onnx", provider: str = "cuda", precision: str = FLOAT32
) -> Iterator[Recognizer]:
    """A recogniser of two workers, closed at the end of the block."""
    opened = open_recognizer(
        MODELS[model], store, engine=engine, workers=2, provider=provider, precision=precision
    )
    try:
        yield opened
    finally:
        opened.close()
