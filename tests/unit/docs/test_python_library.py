"""The programs of the page on the Python library run as they are, and its tables name what there is."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import service
from service import Face, FaceModel
from tests import documentation
from tests.documentation import DOCS
from tests.paths import ROOT

PAGE = documentation.text_of(DOCS / "reference" / "python-library.md")
PROGRAMS = documentation.code_blocks(PAGE, "python")
(PRINTED,) = documentation.code_blocks(PAGE, "")
BOX = PRINTED.split(") ")[0]
EXPECTED = (
    PRINTED,
    "same person\n",
    "other.jpg 1\nphoto.jpg 1\n",
    "models [Errno 21] Is a directory: 'models'\nother.jpg 1\nphoto.jpg 1\n",
    f"Face(box={BOX}), confidence=",
)
"""Beginning of what each program prints, in this order."""


@pytest.fixture
def folder(store: Path, photos: dict[str, Path], tmp_path: Path) -> Path:
    """A working directory with two photos of a person, and the store."""
    (tmp_path / "photo.jpg").write_bytes(photos["obama2.jpg"].read_bytes())
    (tmp_path / "other.jpg").write_bytes(photos["obama.jpg"].read_bytes())
    (tmp_path / "models").symlink_to(store.resolve())
    return tmp_path


@pytest.mark.parametrize(
    ("program", "expected"), list(zip(PROGRAMS, EXPECTED, strict=True)), ids=range(len(EXPECTED))
)
def test_a_program_prints_what_it_should(program: str, expected: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=program,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # The last digits of a confidence depend on the processor.
    assert _rounded(done.stdout).startswith(_rounded(expected))


def _rounded(text: str) -> str:
    return re.sub(r"\d+\.\d{6,}", lambda number: f"{float(number[0]):.4f}", text)


def test_the_table_of_arguments_is_complete() -> None:
    section = documentation.rows(PAGE, "FaceModel")
    documented = {
        cells[0].strip("`"): cells[1].strip("`") for cells in section if re.match(r"`\w+`$", cells[0])
    }
    arguments = list(inspect.signature(FaceModel).parameters.values())[1:]
    assert list(documented) == [argument.name for argument in arguments]
    for argument in arguments:
        if argument.name != "store":
            default = (
                str(argument.default) if not isinstance(argument.default, str) else f'"{argument.default}"'
            )
            assert documented[argument.name].replace(",", "") == default


def test_the_methods_are_documented() -> None:
    calls = {cells[0] for cells in documentation.rows(PAGE, "FaceModel")}
    methods = [name for name, _ in inspect.getmembers(FaceModel, callable) if not name.startswith("_")]
    for name in methods:
        assert any(call.startswith(f"`model.{name}(") for call in calls), name


def test_the_attributes_of_a_face_are_documented() -> None:
    documented = {cells[0].strip("`").partition("(")[0] for cells in documentation.rows(PAGE, "Face")}
    names = {name for name in dir(Face) if not name.startswith("_")}
    assert documented == names | set(Face.__dataclass_fields__)


def test_the_exported_names_are_documented() -> None:
    assert [name for name in service.__all__ if f"`{name}" not in PAGE] == []
