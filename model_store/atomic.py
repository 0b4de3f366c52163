"""Atomic file writes: a file is complete or absent, also after a kill or a power cut.

A file is written under a temporary name in the same folder, synced to disk, and renamed. The writer holds a lock
(flock) on its temporary file. A free lock marks a leftover, since the kernel releases the lock of a killed process.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# The leading dot and this ending mark the files that `sweep` may delete.
TEMPORARY_ENDING = ".afm-part"

_unfinished: set[Path] = set()
"""Temporary files of this process."""
_creating = threading.RLock()
"""Held while a temporary file is created. Reentrant: a signal handler may call `discard_unfinished` meanwhile."""


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing; a clean exit publishes it as `path`, an exception removes it.

    Missing parent folders are made, leftovers of killed writers removed, an existing `path` is replaced.
    The file gets the permissions that the umask leaves, so that a service under another user can read it.
    Raises OSError as `open` and `os.replace` do.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    file, temporary = _locked_temporary(path)
    with file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)  # before the close, which releases the lock
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            _unfinished.discard(temporary)
    _sync_folder(path.parent)


def discard_unfinished() -> None:
    """Delete the temporary files of this process before it ends; the lock stays held, so that no other is created."""
    _creating.acquire()
    for temporary in tuple(_unfinished):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete leftover temporary files in `folder`; those with a live writer stay."""
    for leftover in folder.glob(f".*{TEMPORARY_ENDING}"):
        # Not found: published or removed just now. Locked: the writer is alive. No permission: another account's file.
        with suppress(FileNotFoundError, BlockingIOError, PermissionError), leftover.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink(missing_ok=True)


def _locked_temporary(path: Path) -> tuple[BinaryIO, Path]:
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_ENDING}")
        with _creating:
            _unfinished.add(temporary)
            try:
                file = temporary.open("xb")
            except OSError:
                _unfinished.discard(temporary)
                raise
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            _unfinished.discard(temporary)
            raise
        if temporary.exists():
            return file, temporary
        _unfinished.discard(temporary)
        file.close()  # another process swept the file between its creation and its lock


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable (fsync of the folder)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
