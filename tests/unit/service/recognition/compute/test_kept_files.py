"""Files beside the machine code: of trusted owners alone, in the first folder that can be written."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from service.recognition.compute import code_folders, kept_files

USER, OWNER_OF_THE_SOURCES, STRANGER = 1001, 1002, 1003


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    found = (tmp_path / "first", tmp_path / "second")
    monkeypatch.setattr(code_folders, "folders", lambda: found)
    return found


def owned_by(owner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes each opened file belong to this user; this process and its sources belong to two others."""
    status = SimpleNamespace(st_uid=OWNER_OF_THE_SOURCES)
    monkeypatch.setattr(code_folders, "RECOGNITION_FOLDER", SimpleNamespace(stat=lambda: status))
    found = SimpleNamespace(st_uid=owner)
    monkeypatch.setattr(kept_files, "os", SimpleNamespace(fstat=lambda _: found, geteuid=lambda: USER))


def test_a_written_file_is_read(folders: tuple[Path, Path]) -> None:
    path = kept_files.write_to_first("name", b"content")
    assert path == folders[0] / "name"
    assert kept_files.read_trusted(path) == b"content"


def test_an_absent_file_has_no_content(tmp_path: Path) -> None:
    assert kept_files.read_trusted(tmp_path / "absent") is None


@pytest.mark.parametrize("owner", [0, USER, OWNER_OF_THE_SOURCES])
def test_a_file_of_a_trusted_owner_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int
) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"content")
    owned_by(owner, monkeypatch)
    assert kept_files.read_trusted(path) == b"content"


def test_a_file_of_another_owner_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"content")
    owned_by(STRANGER, monkeypatch)
    assert kept_files.read_trusted(path) is None


def test_the_second_folder_is_written_if_the_first_cannot_be(folders: tuple[Path, Path]) -> None:
    folders[0].write_text("no folder")
    assert kept_files.write_to_first("name", b"content") == folders[1] / "name"
    assert (folders[1] / "name").read_bytes() == b"content"


def test_without_a_writable_folder_nothing_is_written(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        folder.write_text("no folder")
    assert kept_files.write_to_first("name", b"content") is None
