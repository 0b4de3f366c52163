"""Precisions, the values of FACE_PRECISION: the detector's graph and search on a device, and its scan on the CPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from model_store.models import DEVICE_DETECTOR, RESCORED_DETECTOR
from service.recognition.cnn.on_device import (
    CandidateSearch,
    candidates_in_float32,
    candidates_in_mixed_precision,
)
from service.recognition.contract import Stage

AUTO, FLOAT32, MIXED = "auto", "float32", "mixed"

# Values of `Stage.precision`.
IN_FLOAT32 = Stage.precision
SCAN_IN_FLOAT16 = "float16 scan"
SCAN_IN_INT8 = "int8 scan"


@dataclass(frozen=True)
class DevicePrecision:
    """The CNN detector's graph for a device, and the search that runs it."""

    detector: str
    """Name of the graph in the model store."""
    search: CandidateSearch
    shown: str
    """Its value of `Stage.precision`."""
    has_float16: bool = False
    """True if the graph has layers in float16."""


class CpuScan(Enum):
    """Use of the scan in int8 on the CPU. A scan that fails its trial is never used."""

    NEVER = auto()
    IF_FASTER = auto()
    """If the trial found it to be faster."""
    ALWAYS = auto()
    """Even if it is slower. Without a valid graph, the engine cannot be built."""


@dataclass(frozen=True)
class Precision:
    """The meaning of one value of FACE_PRECISION. Each gives the answers of float32."""

    on_device: DevicePrecision
    cpu_scan: CpuScan


_FLOAT32_ON_DEVICE = DevicePrecision(DEVICE_DETECTOR, candidates_in_float32, IN_FLOAT32)
_MIXED_ON_DEVICE = DevicePrecision(
    RESCORED_DETECTOR, candidates_in_mixed_precision, SCAN_IN_FLOAT16, has_float16=True
)
PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        AUTO: Precision(_FLOAT32_ON_DEVICE, CpuScan.IF_FASTER),
        FLOAT32: Precision(_FLOAT32_ON_DEVICE, CpuScan.NEVER),
        MIXED: Precision(_MIXED_ON_DEVICE, CpuScan.ALWAYS),
    }
)
"""Precisions by the value of FACE_PRECISION, which `service/settings.py` lists too."""
