"""The names that `service` exports: loaded at their first use, listed, and known to a type checker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import service
from tests.paths import ROOT

NAMES = (
    "EngineError",
    "Face",
    "FaceModel",
    "ImageTooLarge",
    "RecognizerError",
    "Rectangle",
    "UndecodableImage",
)


def _printed(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_the_names_are_listed_and_exist() -> None:
    assert tuple(service.__all__) == NAMES
    assert set(NAMES) <= set(dir(service))
    for name in NAMES:
        assert getattr(service, name).__name__ == name


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'service' has no attribute 'FaceMode'"):
        service.FaceMode  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_loads_nothing_before_a_name_is_used() -> None:
    listing = "import sys, service; before = set(sys.modules); dir(service); print(*sys.modules)"
    loaded = _printed(listing)
    assert [name for name in loaded if name.startswith("service")] == ["service"]
    assert not {"numpy", "cv2", "PIL", "numba", "pydantic"} & set(loaded)
    assert "numpy" not in _printed("import sys; from service import UndecodableImage; print(*sys.modules)")
    assert "numpy" in _printed("import sys; from service import FaceModel; print(*sys.modules)")


SNIPPET = """
from service import FaceModel, UndecodableImage
with FaceModel(3, provider="cpu") as model:
    reveal_type(model)
    (face,) = model.detect("photo.jpg")
    reveal_type(face)
    reveal_type(face.box.left)
    reveal_type(face.descriptor)
    reveal_type(face.grouped)
    model.describe(b"", [face.box, (1, 2, 3, 4)])
    FaceModel(3, provider="gpu")
    model.detect(3)
    model.detects()
"""


@pytest.mark.not_quick
def test_a_type_checker_knows_the_names(tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--no-pretty", str(tmp_path / "snippet.py")]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert re.findall(r'Revealed type is "([\w.]+)', checked.stdout) == [
        "service.face_model.FaceModel",
        "service.recognition.recognizer.Face",
        "int",
        "numpy.ndarray",
        "bool",
    ], checked.stdout
    errors = re.findall(r": error: .*\[(.*)\]$", checked.stdout, re.MULTILINE)
    assert errors == ["arg-type", "arg-type", "attr-defined"], checked.stdout
