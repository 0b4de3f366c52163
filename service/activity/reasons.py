"""Reasons of failures for pages that need no key.

The sentence of an error may have text of a caller (the JSON of a face, the brands of a video), and that of a damaged
image comes from a process that has read foreign bytes. So such a sentence is shown as far as it matches one of the
expressions here, which have no free text, and is replaced otherwise.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

_FORMAT = "(?:JPEG|PNG|GIF|TIFF|WEBP|WebP|BMP|AVIF|HEIF)(?: file)?"

_UNDECODABLE = tuple(
    map(
        re.compile,
        (
            r"The \d+ bytes do not start like an image",
            r"The file is a video, or of another kind without a photo that this service reads",
            r"The image is damaged: its decoder took far more (?:time|memory) than any image of its size should",
            r"The image is damaged or truncated",
            r"The image is damaged",
            rf"The {_FORMAT} is damaged, truncated or of an unknown variant",
            rf"The {_FORMAT} is (?:damaged or truncated|truncated or damaged|damaged|truncated)",
            rf"The {_FORMAT} ends (?:before|within) its (?:frame header|header|first scan)",
            rf"The {_FORMAT} header gives a size of \d+ x \d+ pixels",
            rf"The {_FORMAT} has \d+ scans, more than \d+: save it again, as baseline",
            rf"The {_FORMAT} has more than \d+ (?:chunks|marker segments)",
            rf"The {_FORMAT} has \d+ components of \d+ bits: send 1, 3 or 4 components of 8 bits",
            r"The image holds signed, floating-point or 32-bit samples, whose range is unknown: send 8 or 16 bits",
            r"OpenCV cannot decode the image",
        ),
    )
)
"""Beginnings of the sentences of UndecodableImage (service/images, service/decoders/faults.py)."""

SHOWN_AS_IS = frozenset(
    {
        "MalformedUpload",
        "WrongKey",
        "Stalled",
        "UploadTooLarge",
        "EmptyUpload",
        "ImageTooLarge",
        "TimeLimitExceeded",
        "TooLittleMemory",
        "Refused",
        "NotReady",
        "NeverReady",
    }
)
"""Errors whose sentences have numbers and settings only: no text of a caller or a photo."""

REPLACED: Mapping[str, str] = MappingProxyType(
    {
        "UndecodableImage": "The image is damaged, or of a variant that is not decoded.",
        "BadFace": "The field 'face' holds no valid face, or a face wholly outside of the photo.",
    }
)
"""Sentence by the class of an error whose own sentence cannot be shown."""

UNEXPECTED = "A fault of the service: its log has the cause at this time."

MAXIMUM_REASON = 300
"""Characters. The service's own sentences have 200 at most; a decoder's number could have any length."""


def reason(error: str | None, sentence: str | None) -> str:
    """The reason to show for an answered error: class of the exception, and its sentence."""
    if error == "UndecodableImage":
        known = next((found for shown in _UNDECODABLE if (found := shown.match(sentence or ""))), None)
        return f"{known[0][:MAXIMUM_REASON]}." if known else REPLACED[error]
    if error in SHOWN_AS_IS and sentence:
        return sentence[:MAXIMUM_REASON]
    return REPLACED.get(error or "", UNEXPECTED)
