"""Warm-up check of a device: errors of one that is short of memory."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from service.recognition.cnn.on_device import DeviceDetector
from service.recognition.contract import EngineError
from service.recognition.engines import warm_up_check
from service.recognition.faces.descriptors import DescriptorNetwork


def _network(cpu_fallback_runs: int = 0) -> Any:
    network = create_autospec(DescriptorNetwork, instance=True)
    network.network = SimpleNamespace(provider="Device", cpu_fallback_runs=cpu_fallback_runs)
    return network


def _detector(cpu_fallback_runs: int = 0, runs_in_strips: int = 0) -> Any:
    detector = create_autospec(DeviceDetector, instance=True)
    detector.network = SimpleNamespace(provider="Device", cpu_fallback_runs=cpu_fallback_runs)
    detector.in_strips = create_autospec(lambda image: [])
    detector.in_strips.batches = lambda: {1: runs_in_strips} if runs_in_strips else {}
    return detector


def test_runs_each_network_of_a_device_once() -> None:
    detector, network = _detector(), _network()
    warm_up_check.check(detector, network)
    for checked in (detector, detector.in_strips, network):
        assert checked.call_count == 1


@pytest.mark.parametrize(("of_detector", "of_network"), [(1, 0), (0, 1)])
def test_rejects_a_device_that_needs_cpu_fallback(of_detector: int, of_network: int) -> None:
    with pytest.raises(EngineError, match=r"Device has no memory for a single face.*FACE_GPU_MEMORY"):
        warm_up_check.check(_detector(of_detector), _network(of_network))


def test_rejects_a_device_without_memory_for_a_whole_photo() -> None:
    with pytest.raises(EngineError, match="Device cannot search a photo of 150 pixels as a whole"):
        warm_up_check.check(_detector(runs_in_strips=1), _network())
