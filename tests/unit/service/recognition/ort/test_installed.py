"""The line about a GPU that is not used, with files of drivers and of cards in a folder of the test."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from service.recognition.ort import installed, render_nodes

Plant = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """`machine(driver=True, wheel="cpu", processor="x86_64")`: the parts that this machine has."""

    def plant(*, driver: bool = True, wheel: str = "cpu", processor: str = "x86_64") -> None:
        files = tuple(tmp_path / file.relative_to("/") for file in installed.DRIVER_FILES)
        monkeypatch.setattr(installed, "DRIVER_FILES", files)
        monkeypatch.setattr(render_nodes, "KERNEL_NODES", tmp_path / "sys")
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


@pytest.fixture
def card(tmp_path: Path, machine: Plant, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AMD card without any part of the way to it; its device file, which does not exist yet."""
    machine(driver=False, wheel="webgpu")
    monkeypatch.setattr(render_nodes, "DEVICE_FILES", tmp_path / "dri")
    (tmp_path / "dri").mkdir()
    vendor = tmp_path / "sys" / "renderD128" / "device" / "vendor"
    vendor.parent.mkdir(parents=True)
    vendor.write_text("0x1002\n")
    return tmp_path / "dri" / "renderD128"


def _line(start: str = "the CPU computes, although this machine has an AMD GPU: ") -> str:
    line = str(installed.unused_gpu())
    assert line.startswith(start)
    assert "\n" not in line
    return line.removeprefix(start)


def test_names_each_missing_part_of_the_way_to_a_card(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in render_nodes.MANIFEST_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(render_nodes, "MANIFESTS", (tmp_path,))
    monkeypatch.setattr(render_nodes, "LOADER", "libvulkan_that_is_nowhere.so.1")
    assert (
        f"is hidden from this service: with Compose use the profile gpu, with Docker `--device {card.parent}`"
        in _line()
    )
    card.touch()
    with monkeypatch.context() as without_access:
        without_access.setattr("os.access", lambda *_: False)
        number = card.stat().st_gid
        assert f"with Compose set RENDER_GROUP={number}, with Docker `--group-add {number}`" in _line()
    assert _line().startswith("Vulkan is not installed (libvulkan_that_is_nowhere.so.1): ")
    monkeypatch.setattr(render_nodes, "LOADER", "libc.so.6")
    (tmp_path / "intel_icd.json").touch()
    assert _line().startswith("Vulkan has no driver for it: ")
    assert str(render_nodes.missing()).startswith("Vulkan has no driver for it: ")
    (tmp_path / "radeon_icd.json").touch()
    assert installed.unused_gpu() is None
    assert render_nodes.missing() is None


def test_names_the_package_that_drives_a_card(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card.touch()
    monkeypatch.setattr(installed, "has_wheel", lambda _: False)
    assert _line().startswith(
        "the package onnxruntime-ep-webgpu is not installed: `ACCELERATOR=cpu make serve`"
    )


@pytest.mark.parametrize("vendor", ["0x10de", "0x1a03"])
def test_is_silent_about_a_card_of_another_vendor(card: Path, tmp_path: Path, vendor: str) -> None:
    (tmp_path / "sys" / "renderD128" / "device" / "vendor").write_text(f"{vendor}\n")
    assert installed.unused_gpu() is None


@pytest.mark.parametrize("name", [*installed.PROVIDER_FILES, *installed.PLUGINS])
def test_each_provider_has_a_command(name: str) -> None:
    assert f": {installed.COMMANDS[name]} installs " in installed.missing_wheel(name)
