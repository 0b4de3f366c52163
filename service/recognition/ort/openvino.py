"""OpenVINO's plug-in: its device, its options, and its missing parts in one line with the remedy."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from service.recognition.ort import installed, plugins, render_nodes
from service.recognition.ort.device import DeviceFacts, Kind

PACKAGE = installed.PLUGINS["openvino"]
OFFICIAL = "OpenVINOExecutionProvider"

DEVICE, NAME, TYPE = "ov_device", "FULL_DEVICE_NAME", "DEVICE_TYPE"
"""Metadata of a device: OpenVINO's name of it ("CPU", "GPU", "GPU.1", "NPU"), and its properties."""
GPU, CPU = "GPU", "CPU"
KINDS = {"integrated": Kind.INTEGRATED, "discrete": Kind.DISCRETE}

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
"""By default, a CPU with AMX computes in bfloat16 and a GPU in float16: a descriptor was off by 2e-3, and with this by
3e-7. Only `load_config` passes them on; as options of the provider, they are ignored without a message."""
OPTIONS: Mapping[str, str] = MappingProxyType({"load_config": json.dumps({GPU: EXACT, CPU: EXACT})})


def has_gpu() -> bool:
    """True if the kernel drives a GPU of Intel, also if its device file is not here."""
    return any(card.vendor == render_nodes.INTEL for card in render_nodes.cards())


def facts() -> DeviceFacts | None:
    """The device that the plug-in takes; None without one."""
    try:
        devices = plugins.chosen(PACKAGE, OFFICIAL)
    except plugins.PluginMissing:
        return None
    if not devices:
        return None
    about = devices[0].ep_metadata
    is_cpu = about.get(DEVICE) == CPU
    return DeviceFacts(
        about.get(NAME, OFFICIAL),
        f"OpenVINO plug-in {about['version']}" if "version" in about else None,
        Kind.CPU if is_cpu else KINDS.get(about.get(TYPE, ""), Kind.INTEGRATED),
    )


def missing() -> str | None:
    """Missing part of the OpenVINO provider on this machine, in one line with the remedy; None if complete."""
    try:
        devices = plugins.chosen(PACKAGE, OFFICIAL)
    except plugins.PluginMissing as error:
        return str(error)
    return None if devices else "OpenVINO lists no device: it needs a processor or a GPU of Intel"
