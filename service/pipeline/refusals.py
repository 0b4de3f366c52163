"""HTTP statuses of the exceptions that reject a photo in the worker."""

from collections.abc import Mapping
from types import MappingProxyType

from service.images.errors import ImageTooLarge, UndecodableImage
from service.messages import RefusalStatus
from service.pipeline.face_part import BadFace
from service.pipeline.queue import TimeLimitExceeded


class TooLittleMemory(Exception):
    """The system has no memory for a photo, although no other photo is in progress."""


STATUS: Mapping[type[Exception], RefusalStatus] = MappingProxyType(
    {ImageTooLarge: 412, UndecodableImage: 415, BadFace: 422, TimeLimitExceeded: 503, TooLittleMemory: 503}
)
"""Exception to HTTP status: faults of the request, which a retry would repeat, and limits that the operator set."""

REFUSALS = tuple(STATUS)
