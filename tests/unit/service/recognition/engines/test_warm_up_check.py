"""Warm-up check of a device: errors of one that is short of memory, and its comparison with the CPU."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import manifest
from model_store.models import DLIB_RESNET
from service.recognition.cnn.strips import CnnDetector
from service.recognition.contract import EngineError, OutOfMemory
from service.recognition.engines import warm_up_check
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.ort.sessions import Session
from service.recognition.synthetic_pictures import group
from tests.unit.service.recognition.cnn.float32_detector import float32_detector


def _network(cpu_fallback_runs: int = 0) -> Any:
    network = create_autospec(DescriptorNetwork, instance=True)
    network.network = SimpleNamespace(provider="Device", cpu_fallback_runs=cpu_fallback_runs)
    return network


def _detector(cpu_fallback_runs: int = 0) -> Any:
    detector = create_autospec(CnnDetector, instance=True)
    detector.network = SimpleNamespace(provider="Device", cpu_fallback_runs=cpu_fallback_runs)
    return detector


def test_runs_each_network_of_a_device_once() -> None:
    detector, network = _detector(), _network()
    warm_up_check.check(detector, network)
    for checked in (detector, network):
        assert checked.call_count == 1


@pytest.mark.parametrize(("of_detector", "of_network"), [(1, 0), (0, 1)])
def test_rejects_a_device_that_needs_cpu_fallback(of_detector: int, of_network: int) -> None:
    with pytest.raises(EngineError, match=r"Device has no memory for a single face.*FACE_GPU_MEMORY"):
        warm_up_check.check(_detector(of_detector), _network(of_network))


class Off:
    """A session whose values are off by a constant, as those of a faulty device."""

    def __init__(self, session: Session, offset: float) -> None:
        self.provider = session.provider
        self.cpu_fallback_runs = 0
        self.shares_cores = False
        self._session = session
        self._offset = offset

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        return self._session.run(value) + np.float32(self._offset)

    def compute(self, output: str, inputs: Any) -> NDArray[np.float32]:
        raise NotImplementedError

    attempt = compute


@pytest.mark.parametrize(("offset", "difference"), [(0, 0.0), (0.25, 0.25), (np.nan, 1.0)])
def test_compares_descriptors_with_the_cpu(store: Path, offset: float, difference: float) -> None:
    session = Session(manifest.graph_path(store, DLIB_RESNET))
    network = DescriptorNetwork(Off(session, offset), sizes=(2,), runs=1)
    found = warm_up_check.compare(None, network, None, session)
    assert found.keys() == {"descriptors"}
    assert found["descriptors"].compared == "one of the 128 numbers of a face"
    assert found["descriptors"].largest_difference == pytest.approx(difference, abs=1e-6)
    assert found["descriptors"].allowed == warm_up_check.DESCRIPTORS_ALLOWED


def test_compares_the_confidences_of_faces_with_the_cpu(store: Path) -> None:
    session = Session(manifest.graph_path(store, DLIB_RESNET))
    network = DescriptorNetwork(session, sizes=(2,), runs=1)
    with float32_detector(store, runs=1) as on_cpu:
        same, missing, infinite = (create_autospec(CnnDetector, instance=True) for _ in range(3))
        same.side_effect = on_cpu
        missing.side_effect = lambda image: on_cpu(image)[1:]
        best = on_cpu(group())[0].confidence
        infinite.side_effect = lambda image: [replace(face, confidence=np.inf) for face in on_cpu(image)]
        for detector, difference in ((same, 0.0), (missing, best), (infinite, 1.0)):
            detector.network = SimpleNamespace(cpu_fallback_runs=0)
            found = warm_up_check.compare(detector, network, on_cpu, session)
            assert found["cnn_detections"].largest_difference == difference


def test_a_device_for_which_the_cpu_computed_is_not_compared(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(manifest.graph_path(store, DLIB_RESNET))
    off = Off(session, 0)
    off.cpu_fallback_runs = 1
    assert warm_up_check.compare(None, DescriptorNetwork(off, sizes=(2,), runs=1), None, session) == {}
    assert "too little memory for the picture" in caplog.text


def test_a_failed_run_leaves_no_comparison(caplog: pytest.LogCaptureFixture) -> None:
    network = create_autospec(DescriptorNetwork, instance=True, side_effect=OutOfMemory("no memory"))
    assert warm_up_check.compare(None, network, None, create_autospec(Session, instance=True)) == {}
    assert [record.getMessage() for record in caplog.records] == [
        "the device is not compared with the CPU: no memory"
    ]
