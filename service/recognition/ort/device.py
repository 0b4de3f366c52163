"""Facts about a device: its name, its driver and its kind, as the driver's own list tells them."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Kind of a device."""

    DISCRETE = "discrete"
    INTEGRATED = "integrated"
    """Its memory is the machine's."""
    VIRTUAL = "virtual"
    CPU = "cpu"
    """The CPU itself, by OpenVINO."""
    SOFTWARE = "software"
    """A software adapter: a driver of Vulkan that computes on the CPU, 24 times slower than ONNX Runtime."""

    @property
    def is_gpu(self) -> bool:
        """False if the CPU's cores compute."""
        return self not in (Kind.CPU, Kind.SOFTWARE)


class DeviceFacts(NamedTuple):
    """A device of this machine."""

    name: str
    """By its driver: "NVIDIA GeForce RTX 3060"."""
    driver: str | None
    """Name and version of the driver: "radv Mesa 25.0.7"; None if it tells neither."""
    kind: Kind


@dataclass(frozen=True)
class Device:
    """A device other than ONNX Runtime's own CPU code, which computes one run at a time."""

    facts: Callable[[], DeviceFacts | None]
    """The device that a session would use; None if there is none."""
    expected: Callable[[], bool]
    """True if this machine shows such hardware: only then does `auto` warn of a missing part."""
    arena: str | None = None
    """ONNX Runtime's name of its arena, to shrink it after an out-of-memory error; None: it has no such arena."""
    lock: AbstractContextManager[object] = field(default_factory=threading.RLock, compare=False)
    """Held during the creation and each run of a session. Two runs at the same time would need the memory of both and
    take no less time, and two sessions of the WebGPU plug-in at once end in a segmentation fault (onnxruntime 32561).
    """
