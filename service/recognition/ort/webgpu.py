"""WebGPU's plug-in on Vulkan: its adapter, its options, and its missing parts in one line with the remedy.

ONNX Runtime lists a GPU by /sys, also if its device file cannot be opened. Vulkan then offers a software adapter at
most, which the plug-in takes silently: so Vulkan's own list decides (vulkan.py).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from service.recognition.ort import installed, plugins, vulkan
from service.recognition.ort.device import DeviceFacts, Kind

PACKAGE = installed.PLUGINS["webgpu"]
OFFICIAL = "WebGpuExecutionProvider"

SOFTWARE_ADAPTER = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"
"""Environment variable that makes the plug-in list the CPU as a device, for tests without a GPU."""

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # With "disabled" and "wgpuOnly", a run that is out of memory succeeds and returns zeros: no faces.
        "validationMode": "basic",
        # Photos have many shapes: this cache keeps the memory flat.
        "storageBufferCacheMode": "bucket",
    }
)

RENDER_NODES = Path("/dev/dri")
"""Device files of GPUs, renderD128 and so on: the Direct Rendering Infrastructure of Linux."""
KNOWN_TO_KERNEL = Path("/sys/class/drm")
"""GPUs that the kernel drives, also in a container without their device files."""


def has_gpu() -> bool:
    """True if the kernel drives a GPU with a render node, also if its device file is not here."""
    return any(KNOWN_TO_KERNEL.glob("renderD*"))


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
        if adapters[0].kind is Kind.CPU and os.environ.get(SOFTWARE_ADAPTER) != "1":
            return (
                f"Vulkan offers a software adapter alone ({adapters[0].name}), which is slower than the CPU: "
                f"{_remedy()}"
            )
        if not plugins.chosen(PACKAGE, OFFICIAL):
            return f"ONNX Runtime lists no device for WebGPU, although Vulkan has {adapters[0].name}"
    except (vulkan.VulkanError, plugins.PluginMissing) as error:
        return str(error)
    return None


def _remedy() -> str:
    """The cause why Vulkan has no GPU, as far as the device files tell it."""
    nodes = sorted(RENDER_NODES.glob("renderD*"))
    closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        return (
            f"this account may not open {closed[0]}: add it to the group of that file, mostly `render` "
            "(Compose: group_add)"
        )
    if nodes:
        return f"{nodes[0]} is open, so a Vulkan driver of the GPU is missing (Debian: apt install mesa-vulkan-drivers)"
    if has_gpu():
        return f"there is no {RENDER_NODES}/renderD*: give the container the device (--device {RENDER_NODES})"
    return "this machine shows no GPU"
