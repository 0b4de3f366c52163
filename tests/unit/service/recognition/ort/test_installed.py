"""The line about a GPU that the installed wheel does not use, with files of a driver in a folder of the test."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from service.recognition.ort import installed

Plant = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """`machine(driver=True, wheel="cpu", processor="x86_64")`: the parts that this machine has."""

    def plant(*, driver: bool = True, wheel: str = "cpu", processor: str = "x86_64") -> None:
        files = tuple(tmp_path / file.relative_to("/") for file in installed.DRIVER_FILES)
        monkeypatch.setattr(installed, "DRIVER_FILES", files)
        monkeypatch.setattr(installed, "has_wheel", lambda name: name == wheel)
        monkeypatch.setattr(platform, "machine", lambda: processor)
        if driver:
            files[1].parent.mkdir(parents=True)
            files[1].touch()

    return plant


def test_names_the_command_that_uses_the_gpu(machine: Plant) -> None:
    machine()
    line = str(installed.unused_gpu())
    assert line.startswith(
        "the CPU computes, although this machine has an NVIDIA driver: `ACCELERATOR=cuda make serve`"
    )


@pytest.mark.parametrize("parts", [{"driver": False}, {"wheel": "cuda"}, {"processor": "aarch64"}])
def test_is_silent_without_a_driver_or_without_a_wheel_to_install(
    machine: Plant, parts: dict[str, object]
) -> None:
    machine(**parts)
    assert installed.unused_gpu() is None


def test_recommends_no_wheel_that_the_processor_cannot_run(machine: Plant) -> None:
    machine()
    assert "`ACCELERATOR=cuda make serve`" in installed.missing_wheel("cuda")
    machine(driver=False, processor="aarch64")
    assert installed.missing_wheel("cuda") == (
        "the installed onnxruntime wheel was built without cuda, and the one with it is for x86-64 only: use a machine "
        "with such a processor"
    )
