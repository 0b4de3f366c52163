"""The model of the settings in this process, without a service, with one-line errors.

Imported last by each command: it loads numpy, which crashes on a processor without the instructions that it needs.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from service.commands.shared.errors import CommandError
from service.images import decoding
from service.recognition.contract import EngineError
from service.recognition.factory import RecognizerError
from service.recognition.recognizer import Recognizer
from service.settings import Settings
from service.worker.recognizer_from_settings import recognizer_from_settings


@contextmanager
def warmed_up(settings: Settings, photos: int) -> Iterator[Recognizer]:
    """The recogniser of the settings after its warm-up, for `photos` photos at a time; closed at the end.

    Raises CommandError if it cannot be opened, and for an EngineError of the body.
    """
    try:
        with closing(recognizer_from_settings(settings, photos)) as recognizer:
            recognizer.warm_up()
            yield recognizer
    except (RecognizerError, EngineError) as error:
        raise CommandError(str(error)) from error


def decoded(data: bytes, settings: Settings) -> NDArray[np.uint8]:
    """The pixels of a photo within the limits of the settings. Raises as `decoding.decode`."""
    return decoding.decode(
        data, maximum_area=settings.maximum_original_area, honour_orientation=settings.honour_orientation
    )
