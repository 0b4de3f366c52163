"""Memory of a device that a process uses: by the kernel's DRM for Intel and AMD, by the driver for NVIDIA.

The kernel lists the memory of each open DRM file in /proc/PID/fdinfo (its documentation, gpu/drm-usage-stats.rst).
"""

import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.gpu_check.schema import Source
from service.recognition.ort import nvidia

MEBIBYTE = 1024**2
_MEMORY = re.compile(r"^drm-(resident|memory|total)-(\S+):\s+(\d+)(?: (KiB|MiB))?\s*$", re.MULTILINE)
_CLIENT = re.compile(r"^drm-(?:pdev|client-id):\s+(\S+)\s*$", re.MULTILINE)
_PREFERENCE = ("resident", "memory", "total")
"""`memory` is the older name of `resident`; `total` also counts buffers without pages."""
_UNITS = {"": 1, "KiB": 1024, "MiB": MEBIBYTE}
_NVIDIA = "/dev/nvidia"


def used(process: int) -> tuple[Source, float | None]:
    """Device memory in MiB and its source; unknown if the process uses no device that tells it."""
    texts = list(_texts(Path("/proc", str(process), "fdinfo")))
    if any("drm-driver:" in text and _MEMORY.search(text) for text in texts):
        return "drm", of_files(texts) / MEBIBYTE
    if _uses_nvidia(Path("/proc", str(process), "fd")):
        try:
            return "nvidia", nvidia.Driver().memory().used / MEBIBYTE
        except nvidia.DriverError:
            pass
    return "unknown", None


def of_files(texts: Iterable[str]) -> int:
    """Bytes of the DRM files, each client once: several descriptors may share one."""
    clients = {tuple(_CLIENT.findall(text)): text for text in texts if "drm-driver:" in text}
    return sum(map(_bytes, clients.values()))


def _bytes(text: str) -> int:
    regions: dict[str, dict[str, int]] = {}
    for kind, region, number, unit in _MEMORY.findall(text):
        regions.setdefault(region, {})[kind] = int(number) * _UNITS[unit]
    return sum(next(kinds[name] for name in _PREFERENCE if name in kinds) for kinds in regions.values())


def _texts(folder: Path) -> Iterable[str]:
    try:
        files = list(folder.iterdir())
    except OSError:
        return
    for file in files:
        try:
            yield file.read_text(errors="replace")
        except OSError:
            continue  # closed meanwhile


def _uses_nvidia(folder: Path) -> bool:
    try:
        return any(str(link.readlink()).startswith(_NVIDIA) for link in folder.iterdir())
    except OSError:
        return False
