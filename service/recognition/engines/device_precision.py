"""Precisions of a device, the values of FACE_PRECISION: one detector graph and one search each."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from model_store.models import DEVICE_DETECTOR, RESCORED_DETECTOR
from service.recognition.cnn.on_device import (
    CandidateSearch,
    candidates_in_float32,
    candidates_in_mixed_precision,
)
from service.recognition.ort.providers import Provider

log = logging.getLogger(__name__)

FLOAT32, MIXED = "float32", "mixed"


@dataclass(frozen=True)
class DevicePrecision:
    """The CNN detector's graph for a device, and the search that runs it."""

    detector: str
    """Name of the graph in the model store."""
    search: CandidateSearch
    has_float16: bool = False
    """True if the graph has layers in float16."""


DEVICE_PRECISIONS: Mapping[str, DevicePrecision] = MappingProxyType(
    {
        FLOAT32: DevicePrecision(DEVICE_DETECTOR, candidates_in_float32),
        MIXED: DevicePrecision(RESCORED_DETECTOR, candidates_in_mixed_precision, has_float16=True),
    }
)
"""Precisions by the value of FACE_PRECISION, which `service/settings.py` lists too."""


def device_precision(name: str, provider: Provider) -> DevicePrecision:
    """The precision of this name, or float32 with a warning if the provider has no device."""
    precision = DEVICE_PRECISIONS[name]
    if provider.device is None and precision.has_float16:
        log.warning("FACE_PRECISION=%s is for a GPU: %s computes in float32", name, provider.name)
        return DEVICE_PRECISIONS[FLOAT32]
    return precision
