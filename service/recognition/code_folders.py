"""Folders of the machine code of compiled loops. Imports no numba."""

import os
from contextlib import suppress
from pathlib import Path

_USERS_FOLDER = "accelerated-face-model"


def folders(beside: Path) -> tuple[Path, ...]:
    """Where code may lie, the preferred place first: where the operator says, beside the module, the user's cache.

    `beside` is the folder of the module with the loops.
    """
    found = [beside / "__pycache__"]
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        found.insert(0, Path(named))
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    with suppress(RuntimeError):  # an account without a home
        users = users.expanduser()
    return (*found, users / _USERS_FOLDER) if users.is_absolute() else tuple(found)
