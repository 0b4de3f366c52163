"""JSON of all answers. The app reads a body in any other form as "no faces"."""

import json
from collections.abc import Mapping

MEDIA_TYPE = "application/json"


def serialised(content: Mapping[str, object]) -> bytes:
    """`content` as JSON in ASCII. Raises ValueError on NaN or an infinity, which PHP could not read."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
