"""The photos below files and folders."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .avif .heic .heif .hif".split()  # noqa: SIM905 - readable
)
"""Endings of photos in folders, in lower case. A file that is named itself may have any."""

COPY_ENDING = ".faces.jpg"
"""End of an annotated copy's name, after the whole name of its photo. Copies in folders are no photos."""


class Photo(NamedTuple):
    """A photo, or a folder that cannot be read."""

    path: Path
    fault: str | None = None
    """Reason why the folder cannot be read, or holds no photo."""


def find(paths: Iterable[Path]) -> Iterator[Photo]:
    """The named files, and the photos in the named folders and below, sorted by name.

    Hidden files and folders are left out, and so are annotated copies. Links to folders are not followed.
    """
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises errors, such as that of an unreadable parent
            below = [*_below(path)]
            yield from below or [Photo(path, "The folder contains no photo.")]
        else:
            yield Photo(path)


def _below(folder: Path) -> Iterator[Photo]:
    faults: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=faults.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Photo(Path(root, name)) for name in sorted(files) if _is_photo(name))
    for error in faults:
        yield Photo(Path(error.filename or folder), f"The folder cannot be read: {error.strerror}.")


def _is_photo(name: str) -> bool:
    hidden_or_copy = name.startswith(".") or name.endswith(COPY_ENDING)
    return not hidden_or_copy and Path(name).suffix.lower() in ENDINGS
