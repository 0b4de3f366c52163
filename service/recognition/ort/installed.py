"""The installed onnxruntime wheel and NVIDIA's driver, found by their files.

The web process checks them before it listens. It does not import ONNX Runtime, which takes 0.2 s and loads numpy.
"""

import platform
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

LIBRARIES: Mapping[str, str] = MappingProxyType({"cuda": "capi/libonnxruntime_providers_cuda.so"})
"""Value of FACE_PROVIDERS to a file that only a wheel with this provider has. The CPU is in every wheel."""

DRIVER_FILES = (
    Path("/dev/nvidiactl"),
    Path("/proc/driver/nvidia/version"),
    Path("/usr/lib/wsl/lib/libcuda.so.1"),  # Windows Subsystem for Linux
)
"""Files of NVIDIA's driver. One of them is enough."""

ALTERNATIVES = "Or set FACE_PROVIDERS=cpu, or FACE_ALLOW_FALLBACK=true"


def has_wheel(name: str) -> bool:
    """True if the installed wheel was built with this provider; `providers.has_wheel` asks ONNX Runtime itself."""
    package = find_spec("onnxruntime")
    folders = (package.submodule_search_locations if package else None) or ()
    return name not in LIBRARIES or any(Path(folder, LIBRARIES[name]).exists() for folder in folders)


def without_wheel(name: str) -> str:
    """The missing part of a provider whose wheel is not installed, with the remedy."""
    return f"the installed onnxruntime wheel was built without {name}: {_other_wheel(name)} installs the one with it"


def refusal(name: str, missing_part: str) -> str:
    """The error line of a FACE_PROVIDERS that cannot be used, without ALTERNATIVES."""
    return f"FACE_PROVIDERS={name} is not possible here: {missing_part}"


def unused_gpu() -> str | None:
    """A line about an NVIDIA GPU that the installed wheel does not use; None without a GPU, or with its wheel."""
    # The wheel for CUDA exists for this architecture alone.
    if platform.machine() != "x86_64" or has_wheel("cuda"):
        return None
    if not any(file.exists() for file in DRIVER_FILES):
        return None
    return (
        f"the CPU computes, although this machine has an NVIDIA driver: {_other_wheel('cuda')} uses its GPU"
    )


def _other_wheel(name: str) -> str:
    return f"`ACCELERATOR={name} make serve` (with Docker, the image of Dockerfile.{name})"
