"""Vulkan's list of adapters, read by ctypes: ONNX Runtime names none, and tells no software adapter from a GPU.

Structures and constants are those of vulkan_core.h.
"""

import ctypes
import functools
from ctypes import POINTER, byref, c_char, c_uint8, c_uint32, c_void_p

from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.render_nodes import LOADER

_API_1_1 = 1 << 22 | 1 << 12
"""VK_API_VERSION_1_1, the first with vkGetPhysicalDeviceProperties2."""
_SUCCESS = 0
_APPLICATION_INFO, _INSTANCE_CREATE_INFO = 0, 1
_PROPERTIES_2, _DRIVER_PROPERTIES = 1000059001, 1000196000
"""Values of VkStructureType."""
_LIMITS_AND_SPARSE = 1 << 10
"""More bytes than the rest of VkPhysicalDeviceProperties, which is not read: 504 and 20."""

KINDS = {1: Kind.INTEGRATED, 2: Kind.DISCRETE, 3: Kind.VIRTUAL}
"""VkPhysicalDeviceType; the others, OTHER (0) and CPU (4), are software adapters."""
_ORDER = (Kind.DISCRETE, Kind.INTEGRATED, Kind.VIRTUAL, Kind.SOFTWARE)
"""Order in which WebGPU takes adapters: the fastest kind first."""


class VulkanError(Exception):
    """Vulkan cannot be used; one line with the remedy."""


class _ApplicationInfo(ctypes.Structure):
    _fields_ = (
        ("type", c_uint32),
        ("next", c_void_p),
        ("application", c_void_p),
        ("application_version", c_uint32),
        ("engine", c_void_p),
        ("engine_version", c_uint32),
        ("api_version", c_uint32),
    )


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = (
        ("type", c_uint32),
        ("next", c_void_p),
        ("flags", c_uint32),
        ("application_info", POINTER(_ApplicationInfo)),
        ("layer_count", c_uint32),
        ("layers", c_void_p),
        ("extension_count", c_uint32),
        ("extensions", c_void_p),
    )


class _DriverProperties(ctypes.Structure):
    _fields_ = (
        ("type", c_uint32),
        ("next", c_void_p),
        ("driver_id", c_uint32),
        ("name", c_char * 256),
        ("info", c_char * 256),
        ("conformance", c_uint8 * 4),
    )


class _Properties2(ctypes.Structure):
    _fields_ = (
        ("type", c_uint32),
        ("next", POINTER(_DriverProperties)),
        ("api_version", c_uint32),
        ("driver_version", c_uint32),
        ("vendor", c_uint32),
        ("device", c_uint32),
        ("device_type", c_uint32),
        ("device_name", c_char * 256),
        ("cache_uuid", c_uint8 * 16),
        ("rest", c_uint8 * _LIMITS_AND_SPARSE),
    )


@functools.cache
def adapters() -> tuple[DeviceFacts, ...]:
    """Adapters of this machine, GPUs first, software adapters last. Raises VulkanError."""
    try:
        library = ctypes.CDLL(LOADER)
    except OSError as error:
        raise VulkanError(
            f"there is no Vulkan loader ({error}): install it with a driver of the GPU "
            "(Debian: apt install libvulkan1 mesa-vulkan-drivers)"
        ) from None
    application = _ApplicationInfo(type=_APPLICATION_INFO, api_version=_API_1_1)
    wanted = _InstanceCreateInfo(type=_INSTANCE_CREATE_INFO, application_info=ctypes.pointer(application))
    instance = c_void_p()
    if status := library.vkCreateInstance(byref(wanted), None, byref(instance)):
        raise VulkanError(
            f"Vulkan finds no driver (vkCreateInstance gives {status}): install one of the GPU "
            "(Debian: apt install mesa-vulkan-drivers)"
        )
    try:
        found = [_facts(library, device) for device in _handles(library, instance)]
    finally:
        library.vkDestroyInstance(instance, None)
    return tuple(sorted(found, key=lambda adapter: _ORDER.index(adapter.kind)))


def _handles(library: ctypes.CDLL, instance: c_void_p) -> list[c_void_p]:
    count = c_uint32()
    if library.vkEnumeratePhysicalDevices(instance, byref(count), None) != _SUCCESS:
        return []
    handles = (c_void_p * count.value)()
    if library.vkEnumeratePhysicalDevices(instance, byref(count), handles) != _SUCCESS:
        return []
    return [c_void_p(handle) for handle in handles[: count.value]]


def _facts(library: ctypes.CDLL, device: c_void_p) -> DeviceFacts:
    driver = _DriverProperties(type=_DRIVER_PROPERTIES)
    properties = _Properties2(type=_PROPERTIES_2, next=ctypes.pointer(driver))
    library.vkGetPhysicalDeviceProperties2(device, byref(properties))
    texts = [text.decode(errors="replace").strip() for text in (driver.name, driver.info)]
    return DeviceFacts(
        properties.device_name.decode(errors="replace"),
        " ".join(filter(None, texts)) or None,
        KINDS.get(properties.device_type, Kind.SOFTWARE),
    )
