"""JSON serialisation of all response bodies. The app takes any other body as "no faces"."""

import json
from collections.abc import Mapping

MEDIA_TYPE = "application/json"


def serialised(content: Mapping[str, object]) -> bytes:
    """`content` as JSON in ASCII. Raises ValueError for NaN and infinities, which PHP cannot parse."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
