"""Files in the folders of machine code, and of measurements of this machine: read if trusted, written atomically."""

import os
from pathlib import Path

from model_store.atomic import atomic_file
from service.recognition.compute import code_folders


def read_trusted(path: Path) -> bytes | None:
    """Content of a file in one of the folders; None if it is absent, or of an untrusted owner.

    Machine code is executed: only files of owners whose code runs here anyway are read.
    """
    try:
        with path.open("rb") as file:
            owner, content = os.fstat(file.fileno()).st_uid, file.read()
        trusted = (0, os.geteuid(), code_folders.RECOGNITION_FOLDER.stat().st_uid)
    except OSError:
        return None
    return content if owner in trusted else None


def write_to_first(name: str, content: bytes) -> Path | None:
    """Write a file to the first writable folder, and return its path; None if there is none."""
    for folder in code_folders.folders():
        try:
            with atomic_file(folder / name) as file:
                file.write(content)
        except OSError:
            continue
        return folder / name
    return None
