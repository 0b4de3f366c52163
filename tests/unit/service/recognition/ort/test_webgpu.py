"""Missing parts of WebGPU: no loader, no driver, a software adapter in place of a GPU that may not be opened."""

import os
from pathlib import Path
from typing import Any

import pytest

from service.recognition.ort import plugins, render_nodes, vulkan, webgpu
from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.vulkan import VulkanError

GPU = DeviceFacts("AMD Radeon 780M (RADV PHOENIX)", "radv Mesa 25.0.7", Kind.INTEGRATED)
SOFTWARE = DeviceFacts("llvmpipe (LLVM 19.1.7, 256 bits)", "llvmpipe Mesa 25.0.7", Kind.SOFTWARE)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of render nodes; the plug-in lists a device."""
    for name in ("dri", "drm"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(render_nodes, "DEVICE_FILES", tmp_path / "dri")
    monkeypatch.setattr(render_nodes, "KERNEL_NODES", tmp_path / "drm")
    monkeypatch.setattr(render_nodes, "LOADER", "libc.so.6")
    monkeypatch.setattr(render_nodes, "MANIFESTS", (tmp_path,))
    for variable in render_nodes.MANIFEST_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(plugins, "chosen", lambda package, official: ["a device"])
    monkeypatch.delenv(webgpu.SOFTWARE_ADAPTER, raising=False)
    return tmp_path


def _adapters(monkeypatch: pytest.MonkeyPatch, *adapters: DeviceFacts) -> None:
    monkeypatch.setattr(vulkan, "adapters", lambda: adapters)


def _missing() -> str:
    missing = webgpu.missing()
    assert missing is not None
    assert "\n" not in missing
    return missing


def test_a_gpu_of_vulkan_is_complete(nodes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _adapters(monkeypatch, GPU, SOFTWARE)
    assert webgpu.missing() is None
    assert webgpu.facts() == GPU


def test_no_loader_is_told_with_the_package(nodes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise VulkanError("there is no Vulkan loader")

    monkeypatch.setattr(vulkan, "adapters", none)
    assert _missing() == webgpu.NO_GPU  # a loader would be of no use
    (nodes / "drm" / "renderD128").mkdir()
    assert _missing() == "there is no Vulkan loader"
    assert webgpu.facts() is None


def test_a_software_adapter_is_no_gpu(nodes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _adapters(monkeypatch, SOFTWARE)
    assert _missing().endswith("this machine shows no GPU")
    assert not render_nodes.has_any()
    vendor = nodes / "drm" / "renderD128" / "device" / "vendor"
    vendor.parent.mkdir(parents=True)
    vendor.write_text("0x8086\n")
    assert render_nodes.has_any()
    assert "`--device" in _missing()
    node = nodes / "dri" / "renderD128"
    node.touch()
    assert "Vulkan has no driver for it" in _missing()
    (nodes / "intel_icd.x86_64.json").touch()
    assert _missing().endswith("its driver does not support the GPU")
    monkeypatch.setattr(os, "access", lambda path, mode: path != node)
    assert f"this account may not open {node}" in _missing()
    assert f"RENDER_GROUP={node.stat().st_gid}" in _missing()
    monkeypatch.setenv(webgpu.SOFTWARE_ADAPTER, "1")
    assert webgpu.missing() is None


def test_without_any_adapter_the_remedy_is_the_same(nodes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _adapters(monkeypatch)
    assert _missing() == "Vulkan finds no device: this machine shows no GPU"


def test_a_plug_in_that_lists_nothing_is_told(nodes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _adapters(monkeypatch, GPU)
    monkeypatch.setattr(plugins, "chosen", lambda package, official: [])
    assert "lists no device for WebGPU" in _missing()
