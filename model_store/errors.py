"""Errors of the weight store; each message names the remedy."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType


class StoreError(Exception):
    """Base class."""


class UnknownWeightError(StoreError):
    """The catalogue has no weight of this name."""


class MissingWeightError(StoreError):
    """The store does not hold this weight."""


class CorruptWeightError(StoreError):
    """The file in the store has a wrong or unknown hash, or cannot be read."""


class RefusedFileError(StoreError):
    """A file to be added is unreadable or does not match its name's hash."""


class SourceError(StoreError):
    """One source failed for one weight; the message is the reason, without the source's name."""


class StorageError(SourceError):
    """A folder of this machine cannot be written, so that another source or another attempt would not help."""

    def __init__(self, folder: Path, number: int, variable: str = "FACE_STORE") -> None:
        """`number`: the error number (errno) of the failed call; `variable`: the one that names the folder."""
        remedy = _REMEDIES.get(number, _ANOTHER_FOLDER).format(variable=variable)
        super().__init__(f"{folder} cannot be written: {os.strerror(number)}. {remedy}")


_ANOTHER_FOLDER = "Let {variable} name a folder that this user can write"
_FREE_SPACE = (
    "Free some space there (a download takes up to 100 MB), or let {variable} name a folder on another disk"
)
_NO_LOCKS = "Its file system has no file locks: let {variable} name a folder on another disk"
_REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        errno.ENOSPC: _FREE_SPACE,
        errno.EDQUOT: _FREE_SPACE,
        errno.ENOLCK: _NO_LOCKS,
        errno.EOPNOTSUPP: _NO_LOCKS,
        errno.ENOSYS: _NO_LOCKS,
    }
)

WRITE_ERRORS = frozenset({*_REMEDIES, errno.EACCES, errno.EPERM, errno.EROFS})
"""Error numbers of a write that fails for lack of space, of file locks or of a right."""


@contextmanager
def writing(folder: Path, variable: str = "FACE_STORE") -> Iterator[None]:
    """Turn errors of writing to a folder, which `variable` names, into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(folder, error.errno or errno.EIO, variable) from error


class FetchError(StoreError):
    """Some weights could not be fetched: `failures` has the reasons of all sources by weight."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        self.failures = dict(failures)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in self.failures.items()))
