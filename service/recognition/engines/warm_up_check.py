"""Warm-up check of a device: both networks run once before the first photo."""

import numpy as np

from service.recognition.cnn.on_device import DeviceDetector
from service.recognition.contract import CHIP_SIDE, EngineError
from service.recognition.engines.onnx import Detector
from service.recognition.faces.descriptors import DescriptorNetwork


def check(detector: Detector | None, network: DescriptorNetwork) -> None:
    """Run the networks once: a device's faults appear in a run, and not when the graph is loaded.

    Raises:
        EngineError: a run failed, or needed CPU fallback.
    """
    network(np.zeros((1, CHIP_SIDE, CHIP_SIDE, 3), np.uint8))
    networks = [network.network]
    if detector is not None:
        image = np.zeros((CHIP_SIDE, CHIP_SIDE, 3), np.uint8)
        detector(image)
        if isinstance(detector, DeviceDetector):
            if detector.in_strips.batches():
                raise EngineError(
                    f"{detector.network.provider} cannot search a photo of {CHIP_SIDE} pixels as a whole"
                )
            detector.in_strips(image)
        networks.append(detector.network)
    if any(checked.cpu_fallback_runs for checked in networks):
        raise EngineError(
            f"{network.network.provider} has no memory for a single face: free some on the device, or raise "
            "FACE_GPU_MEMORY"
        )
