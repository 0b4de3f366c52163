"""A Vulkan driver that computes on the processor, to run WebGPU's graphs on machines without a GPU."""

import ctypes.util
import os
from collections.abc import Mapping
from pathlib import Path

DRIVERS = (
    *sorted(Path("/usr/share/vulkan/icd.d").glob("lvp_icd*.json")),
    Path("/usr/lib/chromium/vk_swiftshader_icd.json"),
)
"""Descriptions of Mesa's lavapipe, which has float16, and of the SwiftShader in Debian's chromium, which has not."""
LOADER = "libvulkan.so.1"
LOADER_OF_CHROMIUM = Path("/usr/lib/chromium") / LOADER
CHOSEN = "VK_ICD_FILENAMES"
"""Variable of the Vulkan loader, which also chooses the driver of the tests if it is set."""


def software_vulkan() -> Mapping[str, str] | str:
    """Variables for a child process whose WebGPU is to use such a driver; or the reason why there is none."""
    driver = os.environ.get(CHOSEN) or next((str(path) for path in DRIVERS if path.exists()), None)
    if driver is None:
        return "no Vulkan driver for the processor: apt install mesa-vulkan-drivers or chromium"
    variables = {CHOSEN: driver, "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"}
    if ctypes.util.find_library("vulkan"):
        return variables
    if LOADER_OF_CHROMIUM.exists():
        return {**variables, "LD_LIBRARY_PATH": str(LOADER_OF_CHROMIUM.parent)}
    return f"no Vulkan loader ({LOADER}): apt install libvulkan1 or chromium"
