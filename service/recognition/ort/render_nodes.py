"""Graphics cards of Intel and AMD by their render nodes, and what keeps this account from computing on them by Vulkan.

The web process asks before it listens, so this loads no ONNX Runtime, and no driver: Vulkan's loader alone.
"""

import ctypes
import grp
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

KERNEL_NODES = Path("/sys/class/drm")
"""Linux's graphics drivers (DRM). A container sees those of its host."""
DEVICE_FILES = Path("/dev/dri")
"""Device files of the same names; a container has those that it is given."""
MANIFESTS = tuple(Path(folder, "vulkan/icd.d") for folder in ("/etc", "/usr/share", "/usr/local/share"))
"""Folders in which Vulkan's loader finds its drivers (LoaderInterfaceArchitecture.md of Vulkan-Loader)."""
MANIFEST_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES")
"""Environment variables that name other drivers."""
LOADER = "libvulkan.so.1"


class Vendor(NamedTuple):
    """Vendor of graphics cards with a free driver."""

    name: str
    """With its article."""
    manifests: tuple[str, ...]
    """Beginnings of the names of its drivers' manifests."""


INTEL = Vendor("an Intel", ("intel",))
AMD = Vendor("an AMD", ("radeon", "amd"))
VENDORS: Mapping[str, Vendor] = MappingProxyType({"0x8086": INTEL, "0x1002": AMD})
"""By the number of PCI, as in /sys."""


class Card(NamedTuple):
    """A graphics card that can compute."""

    vendor: Vendor
    file: Path
    """Its device file, such as /dev/dri/renderD128."""


def has_any() -> bool:
    """True if Linux drives a GPU of any vendor, also if its device file is not here."""
    return any(KERNEL_NODES.glob("renderD*"))


def cards() -> Iterator[Card]:
    """The cards of Intel and AMD that Linux has a driver for, also those that this process may not use."""
    for node in sorted(KERNEL_NODES.glob("renderD*")):
        with suppress(OSError, KeyError):
            yield Card(VENDORS[(node / "device" / "vendor").read_text().strip()], DEVICE_FILES / node.name)


def remedy(card: Card) -> str | None:
    """Missing part of the way to a card and what adds it, in one line; None if nothing is missing."""
    return _without_access(card.file) or missing_loader() or _without_driver(card.vendor)


def missing() -> str | None:
    """Missing part of computing by Vulkan on this machine, in one line; None if a card, or another driver, has all."""
    remedies = [remedy(card) for card in cards()]
    return missing_loader() if not remedies or None in remedies else remedies[0]


def missing_loader() -> str | None:
    """The line for a machine without Vulkan's loader; None with it."""
    try:
        ctypes.CDLL(LOADER)
    except OSError:
        return f"Vulkan is not installed ({LOADER}): Debian, Ubuntu: `apt install libvulkan1 mesa-vulkan-drivers`"
    return None


def _without_access(file: Path) -> str | None:
    if not file.exists():
        return (
            f"{DEVICE_FILES} is hidden from this service: with Compose use the profile gpu, with Docker "
            f"`--device {DEVICE_FILES}`, with systemd graphics-card.conf in place of without-gpu.conf"
        )
    if os.access(file, os.R_OK | os.W_OK):
        return None
    number = file.stat().st_gid
    group = str(number)
    with suppress(KeyError):
        group = grp.getgrgid(number).gr_name
    return (
        f"this account may not open {file}: with Compose set RENDER_GROUP={number}, with Docker "
        f"`--group-add {number}`, with systemd graphics-card.conf, else `usermod -aG {group}` with the account's name"
    )


def _without_driver(vendor: Vendor) -> str | None:
    if any(map(os.environ.get, MANIFEST_VARIABLES)):
        return None
    names = (file.name for folder in MANIFESTS for file in folder.glob("*.json"))
    if any(name.startswith(vendor.manifests) for name in names):
        return None
    return "Vulkan has no driver for it: Debian, Ubuntu: `apt install mesa-vulkan-drivers`"
