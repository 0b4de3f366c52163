"""API keys: read from the settings or a key file, compared in constant time, and generated."""

import codecs
import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_store.command import command
from service.settings import Settings
from service.text import header_fault

KEY_BYTES = 32
"""Random bytes of a generated key, as in upstream's recommended `openssl rand` command."""

MAXIMUM_FILE = 64 * 1024
"""Maximum bytes of a key file, so that reading a device such as /dev/zero ends. A header, and so a key, is shorter."""
COMMENT = "#"
"""Start of a comment line in the key file."""


class NoKey(Exception):
    """There is no usable API key. The message says how to provide one."""


class KeyRing:
    """The valid keys, stored as digests."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key.encode()) for key in keys)

    def admits(self, offered: bytes) -> bool:
        """True if `offered`, the bytes of a header, is a valid key.

        Constant time for every key and length: the digests are compared, and always all of them.
        """
        digest = _digest(offered)
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def read_keys(settings: Settings) -> tuple[str, ...]:
    """All valid keys, in the order of the key file; API_KEY alone if it is set. Raises NoKey."""
    if settings.api_key is not None and (key := settings.api_key.get_secret_value().strip()):
        return (key,)
    path = settings.api_key_file
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_FILE + 1)
    except FileNotFoundError:
        raise NoKey(_HOW_TO_PROVIDE_A_KEY.format(path=path)) from None
    except IsADirectoryError:
        raise NoKey(
            f"The key file {path} is a folder: Docker creates one if the file to mount does not exist. "
            "Remove it, write the key file on the host, and mount that."
        ) from None
    except PermissionError:
        raise NoKey(
            f"The key file {path} cannot be read by user {os.getuid()}, the user of this service: give it to that "
            "user (chown); a key file for a container may be readable by all (chmod 644)."
        ) from None
    except OSError as error:
        raise NoKey(f"The key file {path} cannot be read: {error.strerror}.") from None
    keys = tuple(_lines(path, data))
    if not keys:
        raise NoKey(
            f"The key file {path} contains no key: write one into it, or delete it and run `{MAKE_KEY}`."
        )
    return keys


def _lines(path: Path, data: bytes) -> Iterator[str]:
    """The keys in a key file. Raises NoKey."""
    if len(data) > MAXIMUM_FILE:
        raise NoKey(f"The key file {path} has more than {MAXIMUM_FILE} bytes: this is not a key file.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NoKey(
            f"The key file {path} is UTF-16, the encoding of some Windows editors and PowerShell: save it as UTF-8."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NoKey(f"The key file {path} is not UTF-8 in line {line}: save it as UTF-8.") from None
    # Not splitlines(), which also splits at characters that a key may contain (U+0085, U+2028).
    for number, row in enumerate(re.split("\r\n|\r|\n", text), 1):
        key = row.strip()
        if not key or key.startswith(COMMENT):
            continue
        if fault := header_fault(key):
            raise NoKey(
                f"No HTTP header can carry the key in line {number} of the key file {path}: it contains {fault}."
            )
        yield key


def check_writable(path: Path) -> None:
    """Raise NoKey unless a key file can be made at `path`."""
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise unwritable_file(path, error) from None


def unwritable_file(path: Path, error: OSError) -> NoKey:
    """The error of a key file that cannot be made."""
    return NoKey(
        f"The key file {path} cannot be written: {error.strerror}. Let API_KEY_FILE name a file in a folder that this "
        "user can write."
    )


def make_key_file(path: Path) -> str:
    """Write a new random key to `path`, readable by its owner only, and return the key.

    Raises FileExistsError if there is a file: it is never overwritten. Raises OSError if it cannot be written.
    """
    key = secrets.token_urlsafe(KEY_BYTES)
    # The mode is set at creation, so that no other account can open the file in between.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def is_needlessly_world_readable(path: Path) -> bool:
    """True if all accounts can read the key file, and this account owns it: its mode could be 600.

    A file of another account, such as one mounted into a container, has to be readable by others.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return bool(status.st_mode & stat.S_IROTH) and status.st_uid == os.getuid()


MAKE_KEY = command("service key")

_HOW_TO_PROVIDE_A_KEY = f"""\
There is no API key: API_KEY is unset or empty, and there is no key file {{path}}. Provide one of these:
  a new random key file:   {MAKE_KEY}
  a container, a file:     docker run -v /path/to/api.key:/app/api.key ...
  a container, a variable: docker run -e API_KEY=... (visible in the list of processes)"""
