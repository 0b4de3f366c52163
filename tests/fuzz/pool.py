"""Inputs that one child hands on to the next: those that reached new lines, and those that end a child."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


class Pool:
    """Two folders of inputs, named by their hashes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reached, self._refused = folder / "reached", folder / "refused"
        self._reached.mkdir(exist_ok=True)
        self._refused.mkdir(exist_ok=True)

    def add(self, data: bytes) -> None:
        """Keeps an input that reached something new."""
        (self._reached / _name(data)).write_bytes(data)

    def refuse(self, data: bytes) -> None:
        """Notes an input that is a finding, so that the next child does not end with it."""
        (self._refused / _name(data)).write_bytes(b"")

    def inputs(self) -> list[bytes]:
        """Those that were added, in an order that does not depend on time."""
        return [path.read_bytes() for path in sorted(self._reached.iterdir())]

    def usable(self, inputs: Iterable[bytes]) -> list[bytes]:
        """Those that are no finding."""
        return [data for data in inputs if not (self._refused / _name(data)).exists()]


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
