"""Inputs that persist over child processes: those that reached new lines, and those that end a child."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


class Pool:
    """Two folders of inputs, named by their hashes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reached, self._excluded = folder / "reached", folder / "excluded"
        self._reached.mkdir(exist_ok=True)
        self._excluded.mkdir(exist_ok=True)

    def add(self, data: bytes) -> None:
        """Keeps an input that increased coverage."""
        (self._reached / _name(data)).write_bytes(data)

    def exclude(self, data: bytes) -> None:
        """Excludes an input that is a finding, so that it does not end the next child."""
        (self._excluded / _name(data)).write_bytes(b"")

    def inputs(self) -> list[bytes]:
        """All added inputs, sorted by hash."""
        return [path.read_bytes() for path in sorted(self._reached.iterdir())]

    def usable(self, inputs: Iterable[bytes]) -> list[bytes]:
        """The inputs that are not excluded."""
        return [data for data in inputs if not (self._excluded / _name(data)).exists()]


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
