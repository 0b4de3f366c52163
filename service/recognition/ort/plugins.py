"""Plug-in execution providers: libraries in packages of their own, which the plain onnxruntime wheel loads.

Each is registered once per process, since ONNX Runtime refuses a second registration of a name.
"""

import functools
import importlib
from collections.abc import Sequence
from typing import Any

from service.recognition.ort.runtime import onnxruntime

RANKS = ("GPU", "CPU")
"""ONNX Runtime's kinds of devices (OrtHardwareDeviceType), the preferred one first."""


class PluginMissing(Exception):
    """A plug-in cannot be loaded; one line with the remedy."""


@functools.cache
def _register(package: str) -> None:
    """Load the library of a package. Raises PluginMissing."""
    wheel = package.replace("_", "-")
    try:
        module = importlib.import_module(package)
        onnxruntime.register_execution_provider_library(package, str(module.get_library_path()))
    except ImportError as error:
        raise PluginMissing(f"the package {wheel} is not installed ({error}): pip install {wheel}") from None
    except Exception as error:  # ONNX Runtime has no common base for its errors
        line = " ".join(str(error).split())
        raise PluginMissing(f"ONNX Runtime cannot load the library of {wheel}: {line}") from error


@functools.cache
def devices(package: str, official: str) -> Sequence[Any]:
    """ONNX Runtime's devices (OrtEpDevice) of a plug-in's provider. Raises PluginMissing."""
    _register(package)
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == official]


def chosen(package: str, official: str) -> Sequence[Any]:
    """The device that computes, as a list of one; empty without one. Raises PluginMissing.

    OpenVINO uses the device that is named: the first GPU, or else the CPU. Its NPU, which computes in float16 alone, is
    left out. WebGPU chooses an adapter itself.
    """
    found = sorted(devices(package, official), key=_rank)
    return [device for device in found if _rank(device) < len(RANKS)][:1]


def _rank(device: Any) -> int:
    kind = str(device.device.type).split(".")[-1]
    return RANKS.index(kind) if kind in RANKS else len(RANKS)


def version(package: str, official: str) -> str | None:
    """Version of a plug-in that lists a device; None without one."""
    found = chosen(package, official)
    return found[0].ep_metadata.get("version") if found else None
