"""Precisions, the values of FACE_PRECISION: the use of the CNN detector's scan, on a CPU and on a device alike."""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from service.recognition.contract import Stage

AUTO, FLOAT32, MIXED = "auto", "float32", "mixed"

IN_FLOAT32 = Stage.precision
"""Value of `Stage.precision` without a scan; with one it is `ScanKind.shown`."""


class ScanUse(Enum):
    """Use of the scan, which gives the answers of float32. A scan that fails its trial is never used."""

    NEVER = auto()
    IF_FASTER = auto()
    """If the trial found it to be faster."""
    ALWAYS = auto()
    """Even if it is slower. Without a valid graph, the engine cannot be built."""


PRECISIONS: Mapping[str, ScanUse] = MappingProxyType(
    {AUTO: ScanUse.IF_FASTER, FLOAT32: ScanUse.NEVER, MIXED: ScanUse.ALWAYS}
)
"""By the value of FACE_PRECISION, which `service/settings.py` lists too."""
