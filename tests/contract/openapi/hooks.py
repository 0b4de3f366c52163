"""Hooks of schemathesis: real photos beside random files, faces within them, and a record of all answers.

Schemathesis loads this module by its name, in SCHEMATHESIS_HOOKS.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis.transport.serialization import Binary

from service.web.openapi.answers import MAXIMUM_EDGE
from tests.contract.openapi.campaign import PHOTOS, RECORD

EDGES = {"left": 10, "top": 10, "right": 60, "bottom": 60}
"""A face within all photos."""

_photos = [path.read_bytes() for path in sorted(Path(os.environ[PHOTOS]).iterdir())]
_files = strategies.sampled_from(_photos) | strategies.sampled_from(_photos) | strategies.binary()
schemathesis.openapi.format("binary", _files.map(Binary))


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    """Moves the face of most valid forms into the photo: most random edges describe no face."""
    face = body.get("face") if isinstance(body, Mapping) else None
    if not isinstance(face, Mapping):
        return body
    edges = [edge for name in EDGES if type(edge := face.get(name)) is int and abs(edge) <= MAXIMUM_EDGE]
    moved = len(edges) == len(EDGES) and sum(edges) % 4
    return {**body, "face": {**face, **EDGES}} if moved else body


@schemathesis.hook
def after_call(_context: schemathesis.HookContext, case: Any, response: Any) -> None:
    """Records the answer."""
    with Path(os.environ[RECORD]).open("a") as record:
        record.write(f"{case.meta.generation.mode} {case.method} {case.path} {response.status_code}\n")
