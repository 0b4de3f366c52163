"""The photos below files and folders."""

import os
from pathlib import Path

import pytest

from service.commands.shared import photo_files
from service.commands.shared.photo_files import COPY_ENDING, Photo


def test_finds_photos_of_folders_sorted_and_files_as_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in (
        "b.JPG",
        "a.png",
        "sub/c.heic",
        ".hidden/d.jpg",
        ".e.jpg",
        "notes.txt",
        f"b.JPG{COPY_ENDING}",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "loop").symlink_to(folder)
    named = tmp_path / "photo.dat"
    found = [*photo_files.find([named, folder])]
    assert found == [Photo(named), *(Photo(folder / name) for name in ("a.png", "b.JPG", "sub/c.heic"))]


def test_a_path_that_cannot_be_looked_up_is_a_named_file() -> None:
    assert [*photo_files.find([Path("a" * 300)])] == [Photo(Path("a" * 300))]


def test_an_empty_folder_is_a_fault(tmp_path: Path) -> None:
    assert [*photo_files.find([tmp_path])] == [Photo(tmp_path, "The folder contains no photo.")]


def test_an_unreadable_folder_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").touch()
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    photo, fault = photo_files.find([tmp_path])
    assert photo == Photo(tmp_path / "a.jpg")
    assert fault == Photo(closed, "The folder cannot be read: Permission denied.")
