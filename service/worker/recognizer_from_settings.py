"""The mapping from settings to a recogniser, for the worker and for commands."""

from model_store.models import MODELS
from service.recognition.engines.device_choice import Tried, unreported
from service.recognition.factory import open_recognizer
from service.recognition.recognizer import Recognizer
from service.settings import Settings


def recognizer_from_settings(
    settings: Settings,
    workers: int,
    *,
    device_tried: Tried = unreported,
    device_quarantine: str | None = None,
) -> Recognizer:
    """Open the recogniser of FACE_MODEL for at most `workers` photos at a time.

    `device_tried` and `device_quarantine` as for `open_recognizer`. Raises RecognizerError.
    """
    return open_recognizer(
        MODELS[settings.model],
        settings.store,
        engine=settings.engine,
        workers=workers,
        threads=settings.threads,
        provider=settings.providers,
        allow_fallback=settings.allow_fallback,
        device_memory=settings.gpu_memory,
        precision=settings.precision,
        scan_check=settings.scan_check,
        device_tried=device_tried,
        device_quarantine=device_quarantine,
    )
