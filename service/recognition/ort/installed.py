"""Installed providers of ONNX Runtime, and graphics cards, found by their files.

The web process checks them before it listens. It does not import ONNX Runtime, which takes 0.2 s and loads numpy.
"""

import platform
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from service.recognition.ort import render_nodes

PROVIDER_FILES: Mapping[str, str] = MappingProxyType({"cuda": "capi/libonnxruntime_providers_cuda.so"})
"""Value of FACE_PROVIDERS to a file that only a wheel with this provider has. The CPU is in every wheel."""

PLUGINS: Mapping[str, str] = MappingProxyType(
    {"webgpu": "onnxruntime_ep_webgpu", "openvino": "onnxruntime_ep_openvino"}
)
"""Value of FACE_PROVIDERS to the import package of its plug-in, which stands beside any onnxruntime wheel."""

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "cuda": "`ACCELERATOR=cuda make serve` (with Docker, the image of Dockerfile.cuda)",
        "webgpu": "`ACCELERATOR=cpu make serve` (with Docker, the image of Dockerfile.cpu)",
        "openvino": "`ACCELERATOR=openvino make serve`",
    }
)
"""Provider to the command that installs its package."""
X86_64_ONLY = frozenset({"cuda", "openvino"})
"""Providers with a package for this processor alone."""

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
        lacking, it = f"the package {PLUGINS[name].replace('_', '-')} is not installed", "it"
    else:
        lacking, it = f"the installed onnxruntime wheel was built without {name}", "the one with it"
    if _runs_here(name):
        return f"{lacking}: {COMMANDS[name]} installs {it}"
    return f"{lacking}, and {it} is for x86-64 only: use a machine with such a processor"


def refusal(name: str, missing_part: str) -> str:
    """The error line of a FACE_PROVIDERS that cannot be used, without CPU_REMEDY."""
    return f"FACE_PROVIDERS={name} is not possible here: {missing_part}"


class UnusedGpu(NamedTuple):
    """A GPU that this installation, or this account, cannot use."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


def unused_gpu() -> UnusedGpu | None:
    """A GPU that the service would try with another wheel, device file, group or driver; None if there is none.

    With the wheel for NVIDIA's GPUs, other cards are not looked for.
    """
    if has_wheel("cuda"):
        return None
    if has_driver() and _runs_here("cuda"):
        reason = "the CPU computes, although this machine has an NVIDIA driver"
        return UnusedGpu(reason, f"{COMMANDS['cuda']} uses its GPU")
    for card in render_nodes.cards():
        lacking = render_nodes.remedy(card) if has_wheel("webgpu") else missing_wheel("webgpu")
        if lacking is None:
            return None
        return UnusedGpu(f"the CPU computes, although this machine has {card.vendor.name} GPU", lacking)
    return None


def has_driver() -> bool:
    """True if this machine has NVIDIA's driver."""
    return any(file.exists() for file in DRIVER_FILES)


def _runs_here(name: str) -> bool:
    return name not in X86_64_ONLY or platform.machine() == "x86_64"
