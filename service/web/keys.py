"""API keys: where they come from, how an offered one is compared, and how a first one is made."""

import codecs
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_store.command import command
from service.header_text import uncarriable
from service.settings import Settings

KEY_BYTES = 32
"""Randomness of a key made here, as in the `openssl rand` line that upstream recommends."""

LARGEST_FILE = 64 * 1024
"""Bytes of a key file; a header, and so a key, is shorter still. Bounds what is read of a device such as /dev/zero."""
COMMENT = "#"
"""Begins a line of the key file that is no key."""


class NoKey(Exception):
    """There is no usable API key; the message says how to give one."""


class KeyRing:
    """The keys that are valid now, kept as digests only."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    def admits(self, offered: bytes) -> bool:
        """Whether `offered`, the bytes of a header, is a valid key.

        Takes the same time for every key and every length: digests are compared, all of them.
        """
        digest = _digest(offered)
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def read_keys(settings: Settings) -> tuple[str, ...]:
    """All valid keys, in the order of the file; API_KEY alone where it is set. Raises NoKey."""
    if settings.api_key is not None and (key := settings.api_key.get_secret_value().strip()):
        return (key,)
    path = settings.api_key_file
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise NoKey(_HOW_TO_GIVE_A_KEY.format(path=path)) from None
    except IsADirectoryError:
        raise NoKey(
            f"The key file {path} is a folder: docker makes one where the file to mount does not exist. "
            "Remove it, write the key file on the host, and mount that."
        ) from None
    except PermissionError:
        raise NoKey(
            f"The key file {path} cannot be read by user {os.getuid()}, as whom this service runs: make it readable "
            "(chmod 644), or run the container as its owner (docker run --user)."
        ) from None
    except OSError as error:
        raise NoKey(f"The key file {path} cannot be read: {error.strerror}.") from None
    keys = tuple(_lines(path, data))
    if not keys:
        raise NoKey(
            f"The key file {path} holds no key: write one into it, or delete it and run `{MAKE_KEY}`."
        )
    return keys


def _lines(path: Path, data: bytes) -> Iterator[str]:
    """The keys in a key file. Raises NoKey."""
    if len(data) > LARGEST_FILE:
        raise NoKey(f"The key file {path} has more than {LARGEST_FILE} bytes: this is not a key file.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NoKey(
            f"The key file {path} is UTF-16, as Windows' editors and PowerShell write: save it as UTF-8."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NoKey(f"The key file {path} is not UTF-8 in line {line}: save it as UTF-8.") from None
    # Not splitlines(), for which characters that a key may hold end a line too (U+0085, U+2028).
    for number, row in enumerate(re.split("\r\n|\r|\n", text), 1):
        key = row.strip()
        if not key or key.startswith(COMMENT):
            continue
        if fault := uncarriable(key):
            raise NoKey(
                f"No HTTP header can carry the key in line {number} of the key file {path}: it holds {fault}."
            )
        yield key


def make_key_file(path: Path) -> str:
    """Writes a new random key to `path`, which only its owner can read, and returns the key.

    Raises FileExistsError where there is a file already: it is never overwritten.
    """
    key = secrets.token_urlsafe(KEY_BYTES)
    # The mode is given at creation, so that at no time anyone else can open the file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def needlessly_open(path: Path) -> bool:
    """Whether everyone can read the key file although its owner is this account, which could do without that.

    A file of another account, as one mounted into a container, has to be readable by others.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return bool(status.st_mode & stat.S_IROTH) and status.st_uid == os.getuid()


MAKE_KEY = command("service key")

_HOW_TO_GIVE_A_KEY = f"""\
There is no API key: API_KEY is unset or empty, and there is no key file {{path}}. Give one of these:
  a new random key file:   {MAKE_KEY}
  a container, a file:     docker run -v /path/to/api.key:/app/api.key ...
  a container, a variable: docker run -e API_KEY=... (visible to everyone who may list processes)"""
