"""The installed onnxruntime wheel and NVIDIA's driver, found by their files.

The web process checks them before it listens. It does not import ONNX Runtime, which takes 0.2 s and loads numpy.
"""

import platform
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

PROVIDER_FILES: Mapping[str, str] = MappingProxyType({"cuda": "capi/libonnxruntime_providers_cuda.so"})
"""Value of FACE_PROVIDERS to a file that only a wheel with this provider has. The CPU is in every wheel."""

PLUGINS: Mapping[str, str] = MappingProxyType(
    {"webgpu": "onnxruntime_ep_webgpu", "openvino": "onnxruntime_ep_openvino"}
)
"""Value of FACE_PROVIDERS to the import package of its plug-in, which stands beside any onnxruntime wheel."""

DRIVER_FILES = (
    Path("/dev/nvidiactl"),
    Path("/proc/driver/nvidia/version"),
    Path("/usr/lib/wsl/lib/libcuda.so.1"),  # Windows Subsystem for Linux
)
"""Files of NVIDIA's driver. One of them is enough."""

CPU_REMEDY = "Or set FACE_PROVIDERS=cpu, or FACE_ALLOW_FALLBACK=true"


def has_wheel(name: str) -> bool:
    """True if the package of this provider is installed. Its driver and libraries may still be missing."""
    if name in PLUGINS:
        return find_spec(PLUGINS[name]) is not None
    package = find_spec("onnxruntime")
    folders = (package.submodule_search_locations if package else None) or ()
    return name not in PROVIDER_FILES or any(
        Path(folder, PROVIDER_FILES[name]).exists() for folder in folders
    )


def missing_wheel(name: str) -> str:
    """The missing part of a provider whose package is not installed, with the remedy."""
    if name in PLUGINS:
        package = PLUGINS[name].replace("_", "-")
        return f"the package {package} is not installed: `pip install {package}`"
    lacking = f"the installed onnxruntime wheel was built without {name}"
    if command := _install_command(name):
        return f"{lacking}: {command} installs the one with it"
    return f"{lacking}, and the one with it is for x86-64 only: use a machine with such a processor"


def refusal(name: str, missing_part: str) -> str:
    """The error line of a FACE_PROVIDERS that cannot be used, without CPU_REMEDY."""
    return f"FACE_PROVIDERS={name} is not possible here: {missing_part}"


class UnusedGpu(NamedTuple):
    """An NVIDIA GPU that another wheel would use."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


def unused_gpu() -> UnusedGpu | None:
    """The GPU that another wheel would use; None without a GPU, or without such a wheel."""
    command = _install_command("cuda")
    if command is None or has_wheel("cuda") or not has_driver():
        return None
    return UnusedGpu(
        "the CPU computes, although this machine has an NVIDIA driver", f"{command} uses its GPU"
    )


def has_driver() -> bool:
    """True if this machine has NVIDIA's driver."""
    return any(file.exists() for file in DRIVER_FILES)


def _install_command(name: str) -> str | None:
    """The command that installs the wheel for a GPU; None if there is none for this processor."""
    if platform.machine() != "x86_64":
        return None
    return f"`ACCELERATOR={name} make serve` (with Docker, the image of Dockerfile.{name})"
