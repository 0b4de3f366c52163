"""The store of verified weights. Layout below its root:

    weights/NAME.dat       written atomically, after its hash was verified
    weights/NAME.sha256    hash recorded by `add`, only for a weight without a hash in the catalogue
    weights/.lock          held while files are fetched or added

Reading needs no lock and writes nothing, so a filled store may be read-only.
"""

import fcntl
import logging
import os
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
    StorageError,
    StoreError,
    writing,
)
from model_store.hashing import copy_hashed, sha256_of
from model_store.sources import Source, read_file, source_list

log = logging.getLogger(__name__)

# Limit of `add` for a weight of unknown size, uncompressed; the largest known one has 100 MB.
LARGEST_WEIGHT_BYTES = 1 << 28

# Called with a weight's name, the uncompressed bytes written so far, and the size of its largest variant.
Progress = Callable[[str, int, int], None]


def default_root() -> Path:
    """Root folder of the store: FACE_STORE, or `models` in the working directory."""
    return Path(os.environ.get("FACE_STORE") or "models")


def no_progress(name: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class WeightStatus:
    """State of one weight in the store."""

    weight: Weight
    state: Literal["verified", "missing", "corrupt"]
    sha256: str = ""
    """Lower-case hex; empty unless verified."""
    origin: str = ""
    """Origin of the variant, or that its hash was recorded by `add`; empty unless verified."""
    caution: str = ""
    """Of the variant (catalog.toml)."""
    problem: str = ""
    """Reason and remedy; empty if verified."""

    def is_fault(self, *, named: bool) -> bool:
        """True for a damaged weight, and for a missing one that is `named` or has a source."""
        return self.state == "corrupt" or (self.state == "missing" and (named or bool(self.weight.variants)))


class WeightStore:
    """The weights below one root folder. Safe for many threads and processes at once.

    A process hashes a file once, and again only if its size, time or inode changes.
    """

    def __init__(self, root: Path, catalog: Catalog | None = None) -> None:
        self.root = root
        self.folder = root / "weights"
        self.catalog = catalog or load_catalog()

    def path(self, name: str) -> Path:
        """Verified file of a weight. Raises UnknownWeightError, MissingWeightError or CorruptWeightError."""
        self.sha256(name)
        return self._file(self.catalog.weight(name))

    def sha256(self, name: str) -> str:
        """Lower-case hex sha256 of a weight's verified file. Raises as `path` does."""
        weight = self.catalog.weight(name)
        path = self._file(weight)
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            raise MissingWeightError(f"{path} is missing. {self._remedy(weight)}") from None
        except OSError as error:
            raise CorruptWeightError(f"{path} cannot be read: {error.strerror}") from error
        if weight.variants:
            if weight.variant(found) is None:
                raise CorruptWeightError(
                    f"{path} has the wrong content (sha256 {found}; the catalogue has {_valid_hashes(weight)})."
                    f" {self._remedy(weight)}"
                )
        else:
            self._check_record(weight, found)
        return found

    def status(self, names: Iterable[str] | None = None) -> list[WeightStatus]:
        """Verify these weights, by default the whole catalogue. Raises UnknownWeightError."""
        names = self.catalog.weights if names is None else names
        return [self._status(self.catalog.weight(name)) for name in names]

    def fetch(
        self,
        names: Iterable[str] | None = None,
        source_folder: Path | None = None,
        progress: Progress = no_progress,
    ) -> list[WeightStatus]:
        """Fetch missing and corrupt weights, by default all with a known hash.

        `source_folder` is tried before the catalogue's sources. If all weights are verified, nothing is written. Raises
        UnknownWeightError; FetchError if some weights could not be fetched, after trying all; StorageError if the store
        cannot be written.
        """
        weights = [
            self.catalog.weight(name) for name in (self.catalog.downloadable() if names is None else names)
        ]
        if any(self._status(weight).state != "verified" for weight in weights):
            # Errors of reading a source are SourceErrors already.
            with (
                writing(self.folder),
                self._lock(),
                source_list(self.catalog, self.folder, source_folder) as sources_of,
            ):
                failures: dict[str, str] = {}
                for weight in weights:
                    try:
                        self._fetch_one(weight, sources_of(weight), progress)
                    except StorageError:  # another weight would fail likewise
                        raise
                    except StoreError as error:
                        failures[weight.name] = str(error)
            if failures:
                raise FetchError(failures)
        return [self._status(weight) for weight in weights]

    def add(self, file: Path) -> WeightStatus:
        """Copy NAME.dat or NAME.dat.bz2 of a weight in the catalogue into the store.

        If the catalogue has no hash, the hash found is recorded and verified from then on. Raises UnknownWeightError;
        RefusedFileError for an unreadable file or another hash; StorageError if the store cannot be written.
        """
        weight = self.catalog.weight(file.name.removesuffix(".bz2").removesuffix(".dat"))
        with writing(self.folder), self._lock():
            recorded = self._recorded(weight)

            def check(found: str) -> None:
                if weight.variants and weight.variant(found) is None:
                    raise RefusedFileError(
                        f"{file} is not {weight.file_name}: its sha256 is {found},"
                        f" the catalogue has {_valid_hashes(weight)}"
                    )
                if recorded not in ("", found):
                    raise RefusedFileError(
                        f"{file} has sha256 {found}, but {recorded} is recorded for {weight.file_name}. To replace"
                        f" the weight, remove {self._record(weight)} first"
                    )

            try:
                found = self._write_verified(weight, read_file(file), check, no_progress)
            except SourceError as error:
                raise RefusedFileError(f"{file} was not added: {error}") from error
            if not weight.variants:
                with atomic_file(self._record(weight)) as record:
                    record.write(f"{found}  {weight.file_name}\n".encode())  # the format of sha256sum --check
        return self._status(weight)

    def _fetch_one(self, weight: Weight, sources: list[Source], progress: Progress) -> None:
        """Fetch one weight from the first source that has it. Raises a StoreError with the reason of each source."""
        status = self._status(weight)  # again, under the lock: another process may have fetched it meanwhile
        if status.state == "verified":
            return
        if not weight.variants:
            raise MissingWeightError(status.problem)
        if status.state == "corrupt":
            log.warning("%s; deleted", status.problem)
            self._file(weight).unlink()

        def check(found: str) -> None:
            if weight.variant(found) is None:
                raise SourceError(
                    f"wrong content, deleted (sha256 {found}; the catalogue has {_valid_hashes(weight)})"
                )

        reasons = []
        for source in sources:
            try:
                self._write_verified(weight, source.read(weight), check, progress)
            except StorageError:  # no fault of the source
                raise
            except SourceError as error:
                log.warning("%s from %s: %s", weight.file_name, source.label, error)
                reasons.append(f"{source.label}: {error}")
                continue
            installed = self._status(weight)
            if installed.caution:
                log.warning(
                    "WARNING: %s is from %s. It is %s. To replace it: download %s and run %s",
                    weight.file_name,
                    installed.origin,
                    installed.caution,
                    self.catalog.url(weight),
                    command(f"model_store add {weight.file_name}.bz2"),
                )
            return
        raise SourceError(
            f"all sources failed ({'; '.join(reasons)}). Download {self.catalog.url(weight)} by hand and run:"
            f" {command(f'model_store add {weight.file_name}.bz2')}"
        )

    def _write_verified(
        self, weight: Weight, chunks: Iterator[bytes], check: Callable[[str], None], progress: Progress
    ) -> str:
        """Write the file atomically unless `check` raises for its sha256; returns the sha256."""
        limit = max((variant.size for variant in weight.variants), default=LARGEST_WEIGHT_BYTES)
        with atomic_file(self._file(weight)) as target:
            found = copy_hashed(chunks, target, limit, lambda done: progress(weight.name, done, limit))
            check(found)
        return found

    def _status(self, weight: Weight) -> WeightStatus:
        try:
            found = self.sha256(weight.name)
        except MissingWeightError as error:
            return WeightStatus(weight, "missing", problem=str(error))
        except CorruptWeightError as error:
            return WeightStatus(weight, "corrupt", problem=str(error))
        variant = weight.variant(found)
        origin = variant.origin if variant else "recorded on this machine, not from the catalogue"
        return WeightStatus(weight, "verified", found, origin, variant.caution if variant else "")

    def _check_record(self, weight: Weight, found: str) -> None:
        path, recorded = self._file(weight), self._recorded(weight)
        if not recorded:
            raise CorruptWeightError(
                f"{path} was not added by `model_store add`, so no hash of it is known."
                f" Run: {command(f'model_store add {path}')}"
            )
        if recorded != found:
            raise CorruptWeightError(
                f"{path} has changed since it was added (sha256 {found}, recorded {recorded})."
                f" Remove it and {self._record(weight)}, then add the original file again"
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

    def _remedy(self, weight: Weight) -> str:
        if weight.variants:
            return f"Run: {command(f'model_store fetch {weight.name}')}"
        return (
            f"No hash of it is known, so it is not downloaded: get {self.catalog.url(weight)} and run:"
            f" {command(f'model_store add {weight.file_name}.bz2')}"
        )

    def _file(self, weight: Weight) -> Path:
        return self.folder / weight.file_name

    def _record(self, weight: Weight) -> Path:
        return self.folder / f"{weight.name}.sha256"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Exclusive lock for writing, between processes; the kernel releases the lock of a killed one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("waiting for another process that writes to %s", self.folder)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _valid_hashes(weight: Weight) -> str:
    return " or ".join(variant.sha256 for variant in weight.variants)
