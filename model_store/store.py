"""The store: weights that are proven right, or an error that says what to do. Layout below the root:

    weights/NAME.dat       published whole, after its hash was checked
    weights/NAME.sha256    only for a weight that the catalogue knows no hash of: what `add` found on this machine
    weights/.lock          held while files are fetched or added

Reading needs no lock and writes nothing, so a store may be read-only once it is filled.
"""

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_store.atomic import atomic_file
from model_store.catalog import Catalog, Weight, load_catalog
from model_store.command import command
from model_store.errors import (
    CorruptWeightError,
    FetchError,
    MissingWeightError,
    RefusedFileError,
    SourceError,
    StoreError,
)
from model_store.hashing import copy_hashed, sha256_of
from model_store.sources import Source, read_file, source_list

logger = logging.getLogger(__name__)

# The largest plain .dat that `add` takes for a weight of unknown size; the largest known one has 100 MB.
LARGEST_WEIGHT_BYTES = 1 << 28

# Called with a weight's name, the plain bytes written so far and those expected (the largest edition's size).
Progress = Callable[[str, int, int], None]


def no_progress(name: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Status:
    """What the store holds of one weight. `sha256` is empty unless verified; `detail` says why, or which edition."""

    weight: Weight
    state: Literal["verified", "missing", "corrupt"]
    sha256: str
    recorded_here: bool
    detail: str


class WeightStore:
    """The weights below one root folder. Safe for many threads and processes at once.

    A file is hashed once per process: again only when its size, time or inode changes.
    """

    def __init__(self, root: Path, catalog: Catalog | None = None) -> None:
        self.root = root
        self.folder = root / "weights"
        self.catalog = catalog or load_catalog()

    def path(self, name: str) -> Path:
        """The verified file of this weight. Raises UnknownWeightError, MissingWeightError or CorruptWeightError."""
        self.sha256(name)
        return self._file(self.catalog.weight(name))

    def sha256(self, name: str) -> str:
        """The lower-case hex sha256 of this weight's file, verified. Raises as `path` does."""
        weight = self.catalog.weight(name)
        path = self._file(weight)
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            raise MissingWeightError(f"{path} is missing. {self._advice(weight)}") from None
        except OSError as error:
            raise CorruptWeightError(f"{path} cannot be read: {error.strerror}") from error
        if weight.editions:
            if weight.edition(found) is None:
                raise CorruptWeightError(
                    f"{path} has the wrong content (sha256 {found}; the catalogue has {_known(weight)})."
                    f" {self._advice(weight)}"
                )
        else:
            self._check_record(weight, found)
        return found

    def status(self, names: Iterable[str] | None = None) -> list[Status]:
        """Verify these weights, all of the catalogue's by default. Raises UnknownWeightError."""
        wanted = self.catalog.weights if names is None else names
        return [self._status(self.catalog.weight(name)) for name in wanted]

    def fetch(
        self,
        names: Iterable[str] | None = None,
        folder: Path | None = None,
        progress: Progress = no_progress,
    ) -> list[Status]:
        """Get the weights that are missing or corrupt, by default all that a hash is known for.

        `folder` is tried before the catalogue's sources. Where all weights are there, nothing is written. Raises
        UnknownWeightError; FetchError when some weights could not be fetched, after trying all; OSError when the
        store cannot be written.
        """
        weights = [
            self.catalog.weight(name) for name in (self.catalog.downloadable() if names is None else names)
        ]
        if any(self._status(weight).state != "verified" for weight in weights):
            with self._lock(), source_list(self.catalog, self.folder, folder) as sources_of:
                failures: dict[str, str] = {}
                for weight in weights:
                    try:
                        self._fetch_one(weight, sources_of(weight), progress)
                    except StoreError as error:
                        failures[weight.name] = str(error)
            if failures:
                raise FetchError(failures)
        return [self._status(weight) for weight in weights]

    def add(self, file: Path) -> Status:
        """Take NAME.dat or NAME.dat.bz2 of a weight in the catalogue; the file itself stays as it is.

        Where the catalogue knows no hash, the one found is recorded and from then on holds. Raises
        UnknownWeightError; RefusedFileError for a content that is not this weight's; OSError when the store cannot
        be written.
        """
        weight = self.catalog.weight(file.name.removesuffix(".bz2").removesuffix(".dat"))
        with self._lock():
            recorded = self._recorded(weight)

            def accept(found: str) -> None:
                if weight.editions and weight.edition(found) is None:
                    raise RefusedFileError(
                        f"{file} is not {weight.file_name}: its sha256 is {found}, the catalogue has {_known(weight)}"
                    )
                if recorded not in ("", found):
                    raise RefusedFileError(
                        f"{file} has sha256 {found}, but {recorded} is recorded for {weight.file_name}. To replace"
                        f" the weight, remove {self._record(weight)} first"
                    )

            try:
                found = self._publish(weight, read_file(file), accept, no_progress)
            except SourceError as error:
                raise RefusedFileError(f"{file} was not added: {error}") from error
            if not weight.editions:
                with atomic_file(self._record(weight)) as record:
                    record.write(f"{found}  {weight.file_name}\n".encode())  # as sha256sum --check reads it
        return self._status(weight)

    def _fetch_one(self, weight: Weight, sources: list[Source], progress: Progress) -> None:
        """Raises a StoreError that lists each source and its reason, for FetchError to collect."""
        status = self._status(weight)  # again, under the lock: another process may just have fetched it
        if status.state == "verified":
            return
        if not weight.editions:
            raise MissingWeightError(status.detail)
        if status.state == "corrupt":
            logger.warning("%s; deleted", status.detail)
            self._file(weight).unlink()

        def accept(found: str) -> None:
            if weight.edition(found) is None:
                raise SourceError(
                    f"wrong content, deleted (sha256 {found}; the catalogue has {_known(weight)})"
                )

        reasons = []
        for source in sources:
            try:
                found = self._publish(weight, source.read(weight), accept, progress)
            except SourceError as error:
                logger.warning("%s from %s: %s", weight.file_name, source.label, error)
                reasons.append(f"{source.label}: {error}")
                continue
            if found != weight.editions[0].sha256:
                logger.warning("%s is from %s", weight.file_name, self._status(weight).detail)
            return
        raise SourceError(
            f"no source had it ({'; '.join(reasons)}). Download {self.catalog.url(weight)} by hand and run:"
            f" {command(f'model_store add {weight.file_name}.bz2')}"
        )

    def _publish(
        self, weight: Weight, chunks: Iterator[bytes], accept: Callable[[str], None], progress: Progress
    ) -> str:
        """Copy to a temporary file and publish it if `accept` lets its sha256 pass; returns that."""
        limit = max((edition.size for edition in weight.editions), default=LARGEST_WEIGHT_BYTES)
        with atomic_file(self._file(weight)) as target:
            found = copy_hashed(chunks, target, limit, lambda done: progress(weight.name, done, limit))
            accept(found)
        return found

    def _status(self, weight: Weight) -> Status:
        recorded_here = not weight.editions and self._record(weight).exists()
        try:
            found = self.sha256(weight.name)
        except MissingWeightError as error:
            return Status(weight, "missing", "", recorded_here, str(error))
        except CorruptWeightError as error:
            return Status(weight, "corrupt", "", recorded_here, str(error))
        edition = weight.edition(found)
        origin = edition.origin if edition else "recorded on this machine, not from the catalogue"
        return Status(weight, "verified", found, recorded_here, origin)

    def _check_record(self, weight: Weight, found: str) -> None:
        path, recorded = self._file(weight), self._recorded(weight)
        if not recorded:
            raise CorruptWeightError(
                f"{path} was not added through this store, so nothing says that it is right."
                f" Run: {command(f'model_store add {path}')}"
            )
        if recorded != found:
            raise CorruptWeightError(
                f"{path} has changed since it was added (sha256 {found}, recorded {recorded})."
                f" Remove it and {self._record(weight)}, then add the right file again"
            )

    def _recorded(self, weight: Weight) -> str:
        try:
            return self._record(weight).read_text("ascii").split()[0]
        except FileNotFoundError:
            return ""
        except (ValueError, IndexError):
            raise CorruptWeightError(
                f"{self._record(weight)} holds no sha256. Remove it and add {weight.file_name} again"
            ) from None

    def _advice(self, weight: Weight) -> str:
        if weight.editions:
            return f"Run: {command(f'model_store fetch {weight.name}')}"
        return (
            f"No hash of it is known, so it is not downloaded for you: get {self.catalog.url(weight)} and run:"
            f" {command(f'model_store add {weight.file_name}.bz2')}"
        )

    def _file(self, weight: Weight) -> Path:
        return self.folder / weight.file_name

    def _record(self, weight: Weight) -> Path:
        return self.folder / f"{weight.name}.sha256"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process writes at a time; the kernel frees the lock of a killed one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("waiting for another process that fills %s", self.folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _known(weight: Weight) -> str:
    return " or ".join(edition.sha256 for edition in weight.editions)
