"""WebGPU's plug-in on Vulkan: its adapter, its options, and its missing parts in one line with the remedy.

ONNX Runtime lists a GPU by /sys, also if its device file cannot be opened. Vulkan then offers a software adapter at
most, which the plug-in takes silently: so Vulkan's own list decides (vulkan.py).
"""

import os
from collections.abc import Mapping
from types import MappingProxyType

from service.recognition.ort import installed, plugins, render_nodes, vulkan
from service.recognition.ort.device import DeviceFacts, Kind

PACKAGE = installed.PLUGINS["webgpu"]
OFFICIAL = "WebGpuExecutionProvider"

SOFTWARE_ADAPTER = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"
"""Environment variable that makes the plug-in list the CPU as a device, for tests without a GPU."""

NO_GPU = "this machine shows no GPU"
"""The missing part without which Vulkan's loader and drivers are of no use."""

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # With "disabled" and "wgpuOnly", a run that is out of memory succeeds and returns zeros: no faces.
        "validationMode": "basic",
        # Photos have many shapes: this cache keeps the memory flat.
        "storageBufferCacheMode": "bucket",
    }
)


def facts() -> DeviceFacts | None:
    """The adapter that the plug-in takes; None without one."""
    try:
        adapters = vulkan.adapters()
    except vulkan.VulkanError:
        return None
    return adapters[0] if adapters else None


def missing() -> str | None:
    """Missing part of the WebGPU provider on this machine, in one line with the remedy; None if complete."""
    try:
        adapters = vulkan.adapters()
        if not adapters:
            return f"Vulkan finds no device: {_remedy()}"
        if adapters[0].kind is Kind.SOFTWARE and os.environ.get(SOFTWARE_ADAPTER) != "1":
            return (
                f"Vulkan offers a software adapter alone ({adapters[0].name}), which is slower than the CPU: "
                f"{_remedy()}"
            )
        if not plugins.chosen(PACKAGE, OFFICIAL):
            return f"ONNX Runtime lists no device for WebGPU, although Vulkan has {adapters[0].name}"
    except vulkan.VulkanError as error:
        return str(error) if render_nodes.has_any() else NO_GPU
    except plugins.PluginMissing as error:
        return str(error)
    return None


def _remedy() -> str:
    """The cause why Vulkan has no GPU, as far as the device files tell it."""
    if lacking := render_nodes.missing():
        return lacking
    return "its driver does not support the GPU" if render_nodes.has_any() else NO_GPU
