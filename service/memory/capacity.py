"""Capacity of one service: photos at once, and bytes of uploads and of photos in work."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service.recognition.compute import cgroups
from service.settings import Settings

RESIDENT = 400 * 1024**2
"""Bytes of all processes before the first photo: libraries, weights and compiled loops (317 to 324 MiB for models 1, 3
and 4, and up to 65 MiB more where the loops have just been compiled)."""

KEPT = 96 * 1024**2
"""Bytes of the arrays that photos use one after another (scratch.py)."""
KEPT_BY_PHOTO = 52 * 1024**2
"""Bytes that ONNX Runtime keeps for each of the photos that get one core: 42 MiB of the detector (strips.SMALL), 10 of
eight faces. What it keeps for a photo that gets all cores is counted with that photo, or is less than these keep."""

UPLOADS_SHARE = 1 / 4
"""Of what is left, for uploads that wait. They are compressed to a tenth of the pixels or less."""

OF_A_CONTAINER = 0.8
"""Share of a control group's memory limit that is used by default: the group is the service's own."""
OF_A_MACHINE = 0.5
"""Share of a machine's memory that is used by default: other services run there too."""

MACHINE_UNKNOWN = 2 * 1024**3
"""Bytes that are assumed where the C library asks /proc/meminfo (glibc before 2.35) and that is hidden: enough for
every model and a photo of the default area."""

PHOTOS: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {
        # One more than cores is decoded while the others are in the networks (measured on two cores: three photos in
        # flight gave the most photos per second).
        "onnx": lambda cores: cores + 1,
        # Each is worked on in a process of its own and takes about 1 GB per megapixel there.
        "dlib": lambda _: 1,
    }
)
"""FACE_ENGINE and cores to photos in work, where GUNICORN_WORKERS does not say."""


@dataclass(frozen=True)
class Capacity:
    """Limits of the work at one time, of one service."""

    photos: int
    """Photos in work."""
    upload_bytes: int
    photo_bytes: int
    at_once: int = 1
    """Photos in work that are computed at the same time, each with KEPT_BY_PHOTO of its own."""
    most_at_once: int = 1
    """`at_once` with any amount of memory."""

    @classmethod
    def of(cls, settings: Settings, cores: int) -> "Capacity":
        """What the settings say, or what suits this machine."""
        free = max(memory(settings) - RESIDENT - KEPT, 0)
        photos = most = settings.workers or PHOTOS[settings.engine](cores)
        if settings.engine == "onnx":
            # What is kept for photos at the same time must leave as much to the photos themselves.
            photos = max(min(photos, free // (2 * KEPT_BY_PHOTO)), 1)
            free = max(free - KEPT_BY_PHOTO * min(photos, cores), 0)
        uploads = int(free * UPLOADS_SHARE)
        return cls(photos, uploads, free - uploads, min(photos, cores), min(most, cores))


def memory(settings: Settings) -> int:
    """Bytes that the process may take: FACE_MEMORY, or a share of what the system gives it."""
    if settings.memory is not None:
        return settings.memory
    machine, limit = memory_of_machine(), cgroups.memory_limit()
    return int(limit * OF_A_CONTAINER) if limit < machine else int(machine * OF_A_MACHINE)


def hard_limit() -> int:
    """Bytes beyond which the kernel ends the process: the limit of a control group, or the machine's memory."""
    return int(min(memory_of_machine(), cgroups.memory_limit()))


def memory_of_machine() -> int:
    """Bytes of physical memory. From sysconf(3), since a sandbox may hide /proc/meminfo (systemd's ProcSubset=pid)."""
    try:
        pages = os.sysconf("SC_PHYS_PAGES")
    except OSError:
        pages = -1
    return pages * os.sysconf("SC_PAGE_SIZE") if pages > 0 else MACHINE_UNKNOWN
