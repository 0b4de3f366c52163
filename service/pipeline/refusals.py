"""HTTP statuses of the exceptions that end a photo in the worker."""

from collections.abc import Mapping
from types import MappingProxyType

from service.images.errors import ImageTooLarge, UndecodableImage
from service.messages import RefusalStatus
from service.pipeline.face_part import BadFace
from service.pipeline.queue import TimeLimitExceeded


class TooLittleMemory(Exception):
    """The system has no memory for a photo, even where nothing else is in work."""


STATUS: Mapping[type[Exception], RefusalStatus] = MappingProxyType(
    {ImageTooLarge: 412, UndecodableImage: 415, BadFace: 422, TimeLimitExceeded: 503, TooLittleMemory: 503}
)
"""A fault of the request, which a retry would repeat, or a limit of the operator's."""

REFUSALS = tuple(STATUS)
