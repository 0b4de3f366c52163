"""Sandbox of the worker: restrictions set before it starts threads, and once it is warm."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from string import Template

from service import sandbox
from service.recognition.compute import code_folders
from service.sandbox import Restrictions

OOM_SCORE_ADJ = 500
"""Score of the out-of-memory killer (proc(5)). If memory runs out, the kernel kills the worker, or its decoders, before
the web process."""

SERVICE_FOLDER = Path(__file__).parent.parent
"""Folder of the package `service`: Python keeps the bytecode of each of its folders in `__pycache__`."""

NVIDIA, CARDS = Path("/dev/nvidiactl"), Path("/dev/dri")
"""Device file of NVIDIA's driver, and folder of those of Linux's drivers for cards."""
KERNEL_CACHES: tuple[tuple[Path, tuple[str, ...]], ...] = (
    (NVIDIA, ("$CUDA_CACHE_PATH", "~/.nv")),
    (NVIDIA, ("$__GL_SHADER_DISK_CACHE_PATH", "$XDG_CACHE_HOME/nvidia", "~/.cache/nvidia")),
    *(
        (CARDS, (f"$MESA_SHADER_CACHE_DIR/{name}", f"$XDG_CACHE_HOME/{name}", f"~/.cache/{name}"))
        for name in ("mesa_shader_cache", "mesa_shader_cache_db")
    ),
    (CARDS, ("$NEO_CACHE_DIR", "$XDG_CACHE_HOME/neo_compiler_cache", "~/.cache/neo_compiler_cache")),
)
"""Device files of a driver, and the folder of its compiled kernels or shaders: the first one whose variable is set.
These are CUDA, NVIDIA's Vulkan, Mesa's Vulkan (both forms of its cache), and Intel's OpenCL, which OpenVINO uses."""


def confine() -> Restrictions:
    """Set the restrictions that neither the start nor a photo violates.

    For a process with a single thread, before large imports.
    """
    sandbox.raise_oom_score(OOM_SCORE_ADJ)
    return sandbox.restrict_worker(_writable())


def confine_when_warm(restrictions: Restrictions) -> Restrictions:
    """Forbid file growth, since all code is compiled by now."""
    return restrictions._replace(file_growth_forbidden=sandbox.forbid_file_growth())


def trial() -> str:
    """A line each about the restrictions of a worker and of a decoder on this machine, tried in a separate process."""
    command = [sys.executable, "-m", "service.worker.confinement"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _writable() -> list[Path]:
    """Folders of bytecode, machine code and GPU kernels that this account can write."""
    code = next((folder for folder in code_folders.folders() if _may_write(folder)), None)
    bytecode = [folder for folder in _bytecode_folders() if _may_write(folder)]
    return [*bytecode, *([code] if code else []), *kernel_caches()]


def kernel_caches() -> list[Path]:
    """Folders of kernels that the drivers of this machine compile; none for an account without a home."""
    return [
        folder
        for device, places in KERNEL_CACHES
        if device.exists() and (folder := next(_set_places(places), None)) is not None
    ]


def _set_places(places: Iterable[str]) -> Iterator[Path]:
    variables = {name: value for name, value in os.environ.items() if value}
    for place in places:
        with suppress(KeyError, RuntimeError):  # a variable that is not set, or an account without a home
            yield Path(Template(place).substitute(variables)).expanduser()


def _bytecode_folders() -> list[Path]:
    """Bytecode folders of the service, including those that do not exist before the first start."""
    if sys.dont_write_bytecode:
        return []
    return [package.parent / "__pycache__" for package in SERVICE_FOLDER.glob("**/__init__.py")]


def _may_write(folder: Path) -> bool:
    """True if a folder can be written, or created."""
    try:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
    except OSError:  # a folder above it is closed to this account, as a home is by systemd's ProtectHome=yes
        return False
    return os.access(existing, os.W_OK)


if __name__ == "__main__":
    print("sandbox of the worker:", confine_when_warm(confine()).summary())
    print("sandbox of the decoders:", sandbox.restrict_decoder().summary())
