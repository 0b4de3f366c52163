"""Warm-up check of a device: both networks run once before the first photo, and are compared with the CPU."""

import logging

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn.strips import CnnDetector
from service.recognition.contract import CHIP_SIDE, DeviceCheck, EngineError
from service.recognition.engines.onnx import Detector
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.ort.sessions import Network
from service.recognition.synthetic_pictures import Picture, group

log = logging.getLogger(__name__)

CONFIDENCES_ALLOWED = 1e-2
"""Bound of a difference of confidences. The app groups faces from 0.99 on."""
DESCRIPTORS_ALLOWED = 1e-3
"""Bound of a difference of one of the 128 numbers. Two faces of a person are within 0.4 (Euclidean distance)."""


def check(detector: Detector | None, network: DescriptorNetwork) -> None:
    """Run the networks once: a device's faults appear in a run, and not when the graph is loaded.

    Raises:
        EngineError: a run failed, or needed CPU fallback.
    """
    network(np.zeros((1, CHIP_SIDE, CHIP_SIDE, 3), np.uint8))
    networks = [network.network]
    if detector is not None:
        detector(np.zeros((CHIP_SIDE, CHIP_SIDE, 3), np.uint8))
        networks.append(detector.network)
    if any(checked.cpu_fallback_runs for checked in networks):
        raise EngineError(
            f"{network.network.provider} has no memory for a single face: free some on the device, or raise "
            "FACE_GPU_MEMORY"
        )


def compare(
    detector: Detector | None,
    network: DescriptorNetwork,
    detector_on_cpu: CnnDetector | None,
    network_on_cpu: Network,
) -> dict[str, DeviceCheck]:
    """Compare both networks with the CPU on a synthetic picture; by the name of the stage.

    Empty, with a warning, if a run fails, or if the CPU computed for the device: photos have a fallback for both.
    """
    picture = group()
    try:
        checks = {"descriptors": _descriptors(picture, network, network_on_cpu)}
        if detector is not None and detector_on_cpu is not None:
            checks["cnn_detections"] = _confidences(picture, detector, detector_on_cpu)
    except EngineError as error:
        log.warning("the device is not compared with the CPU: %s", error)
        return {}
    if any(compared.network.cpu_fallback_runs for compared in (network, detector) if compared):
        log.warning("the device is not compared with the CPU: it has too little memory for the picture")
        return {}
    for name, found in checks.items():
        if found.largest_difference > found.allowed:
            log.error("%s on the device differs from the CPU: %s", name, found)
    return checks


def _confidences(picture: Picture, detector: Detector, on_cpu: CnnDetector) -> DeviceCheck:
    """Compare the confidences of faces. A face that one of the two lacks counts with its confidence."""
    found, expected = (
        {face.rectangle: face.confidence for face in find(picture)} for find in (detector, on_cpu)
    )
    differences = [abs(found.get(face, 0) - expected.get(face, 0)) for face in found.keys() | expected.keys()]
    return DeviceCheck("the confidence of a face", _largest(np.array(differences)), CONFIDENCES_ALLOWED)


def _descriptors(picture: Picture, network: DescriptorNetwork, on_cpu: Network) -> DeviceCheck:
    """Compare the descriptors of two squares of the picture."""
    chips = np.stack([picture[:CHIP_SIDE, :CHIP_SIDE], picture[-CHIP_SIDE:, -CHIP_SIDE:]])
    differences = np.abs(network(chips) - on_cpu.run(chips))
    return DeviceCheck("one of the 128 numbers of a face", _largest(differences), DESCRIPTORS_ALLOWED)


def _largest(differences: NDArray[np.floating]) -> float:
    """The largest difference, 0 without any. NaN and infinity count as 1, which no bound allows."""
    return float(np.nan_to_num(differences, nan=1.0, posinf=1.0).max(initial=0.0))
