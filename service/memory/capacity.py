"""Capacity of the service: number of photos in work, and byte budgets of uploads and of photos in work."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service.recognition.compute import cgroups
from service.recognition.memory import SCRATCH_KEPT
from service.recognition.ort import installed, render_nodes
from service.settings import Settings

RESIDENT = 400 * 1024**2
"""Bytes of all processes before the first photo: libraries, weights and compiled loops. They are 317 to 326 MiB for
models 1, 3 and 4, and up to 65 MiB more if the loops have just been compiled. The trial of the scan in int8 takes
46 MiB more, which later photos use: they are part of KEPT_BY_PHOTO."""

KEPT_BY_PHOTO = 52 * 1024**2
"""Bytes that ONNX Runtime keeps for each photo that is computed by one core: 42 MiB for the detector's small strips, 10
for eight faces. Memory kept for a photo that is computed by all cores is counted with that photo, or is less."""

SHARED_BY_DEVICE = 512 * 1024**2
"""Bytes that the networks take of the machine's memory on a device without its own: an integrated GPU, or a software
adapter. 120 MiB are the plug-in's library and the weights. A strip of 4 million pixels takes 392 MiB: 98 bytes a pixel
(measured from 0.26 to 1.04 million) for the input, the layers, the copies on their way, and buffers rounded up to the
sizes that are kept. Measured on software Vulkan, whose compiled shaders took 300 MiB more: a GPU's driver has less."""
SHARED_PROVIDERS = ("webgpu", "openvino")
"""Values of FACE_PROVIDERS whose devices may share the machine's memory."""

UPLOADS_SHARE = 1 / 4
"""Share of the remaining memory for uploads. They are compressed to a tenth of their pixels or less."""

CONTAINER_SHARE = 0.8
"""Default share of a control group's memory limit: the group has no other service."""
MACHINE_SHARE = 0.5
"""Default share of a machine's memory: other services run there too."""

MACHINE_UNKNOWN = 2 * 1024**3
"""Assumed memory of the machine in bytes, if a sandbox hides /proc/meminfo from a C library that reads it (glibc before
2.35). It suffices for every model and a photo of the default area."""

PHOTOS: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {
        # One more than there are cores: it is decoded while the others are in the networks. Measured on two cores:
        # three photos in flight gave the highest throughput.
        "onnx": lambda cores: cores + 1,
        # dlib computes in a separate process and takes about 1 GB per megapixel.
        "dlib": lambda _: 1,
    }
)
"""FACE_ENGINE to the default number of photos in work, as a function of the number of cores."""


@dataclass(frozen=True)
class Capacity:
    """Limits of concurrent work in one service."""

    photos: int
    """Number of photos in work."""
    upload_bytes: int
    """Byte budget of uploads."""
    photo_bytes: int
    """Byte budget of photos in work."""
    at_once: int = 1
    """Number of photos that are computed at the same time, each with KEPT_BY_PHOTO."""
    most_at_once: int = 1
    """`at_once` if memory were no limit."""

    @classmethod
    def of(cls, settings: Settings, cores: int) -> "Capacity":
        """Capacity from the settings, and from the memory and the cores of this machine."""
        free = max(memory(settings) - RESIDENT - SCRATCH_KEPT - shared_by_device(settings), 0)
        photos = most = settings.workers or PHOTOS[settings.engine](cores)
        if settings.engine == "onnx":
            # The memory kept for concurrent photos may take at most half of what is free; the rest is for the photos.
            photos = max(min(photos, free // (2 * KEPT_BY_PHOTO)), 1)
            free = max(free - KEPT_BY_PHOTO * min(photos, cores), 0)
        uploads = int(free * UPLOADS_SHARE)
        return cls(photos, uploads, free - uploads, min(photos, cores), min(most, cores))

    def described(self, settings: Settings) -> str:
        """Photos in work and memory for a line of the log, with the settings that change them."""
        return (
            f"at most {self.photos} photos in work (GUNICORN_WORKERS), in {memory(settings) // 1024**2:,} MiB of "
            "memory (FACE_MEMORY)"
        )


def memory(settings: Settings) -> int:
    """Memory budget in bytes of all processes: FACE_MEMORY, or a share of the container's or the machine's memory."""
    if settings.memory is not None:
        return settings.memory
    machine, limit = memory_of_machine(), cgroups.memory_limit()
    return int(limit * CONTAINER_SHARE) if limit < machine else int(machine * MACHINE_SHARE)


def shared_by_device(settings: Settings) -> int:
    """Bytes of the machine's memory for a device: SHARED_BY_DEVICE if one may be used, else 0.

    Files alone decide, since the web process loads no driver: a card with its own memory counts too, and so does a
    device that fails its proof at the start. The plan for the largest photo leaves it out: a photo that does not fit
    beside a device gets a worker on the CPU (LOW_MEMORY_SETTINGS).
    """
    if settings.engine != "onnx":
        return 0
    if settings.providers == "auto":
        nvidia = installed.has_wheel("cuda") and installed.has_driver()
        used = any(map(installed.has_wheel, SHARED_PROVIDERS)) and render_nodes.has_any()
        return SHARED_BY_DEVICE if used and not nvidia else 0
    return SHARED_BY_DEVICE if settings.providers in SHARED_PROVIDERS else 0


def hard_limit() -> int:
    """Bytes beyond which the kernel kills a process: the limit of a control group, or the machine's memory."""
    return int(min(memory_of_machine(), cgroups.memory_limit()))


def memory_of_machine() -> int:
    """Physical memory in bytes, from sysconf(3): a sandbox may hide /proc/meminfo (systemd's ProcSubset=pid)."""
    try:
        pages = os.sysconf("SC_PHYS_PAGES")
    except OSError:
        pages = -1
    return pages * os.sysconf("SC_PAGE_SIZE") if pages > 0 else MACHINE_UNKNOWN
