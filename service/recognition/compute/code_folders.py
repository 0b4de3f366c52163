"""Cache folders for machine code of compiled loops, and for measurements of this machine. Imports no numba."""

import os
from contextlib import suppress
from pathlib import Path

RECOGNITION_FOLDER = Path(__file__).parents[1]
"""Folder of all modules with compiled loops, its subfolders included."""

_USERS_FOLDER = "accelerated-face-model"


def folders() -> tuple[Path, ...]:
    """Folders of machine code in descending preference: NUMBA_CACHE_DIR, the package's, the user's cache."""
    found = [RECOGNITION_FOLDER / "__pycache__"]
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        found.insert(0, Path(named))
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    with suppress(RuntimeError):  # an account without a home
        users = users.expanduser()
    return (*found, users / _USERS_FOLDER) if users.is_absolute() else tuple(found)
