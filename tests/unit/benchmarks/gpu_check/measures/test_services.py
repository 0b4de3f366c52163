"""Statements of `/info`."""

import pytest

from benchmarks.gpu_check.measures import services
from benchmarks.gpu_check.measures.services import Told
from benchmarks.gpu_check.schema import ProviderRecord
from service.recognition.ort.device import DeviceFacts
from service.recognition.ort.device import Kind as DeviceKind
from service.recognition.ort.providers import CPU as CPU_PROVIDER
from service.recognition.ort.providers import OPENVINO, WEBGPU, Provider

CPU = {
    "provider": "CPUExecutionProvider",
    "fallbacks": 1,
    "on_cpu": 0,
    "device": None,
    "device_missing": None,
}
CARD = {
    "provider": "WebGpuExecutionProvider",
    "fallbacks": 0,
    "on_cpu": 2,
    "device": "A Card 7",
    "device_missing": None,
    "device_proof": {"passed": True, "driver": "in /home/jane/driver.so"},
}


def test_counts_are_sums_and_texts_have_no_folders() -> None:
    told = Told.of({"stages": {"hog_detections": CPU, "descriptors": CARD}})
    assert (told.official, told.device, told.fallbacks, told.on_cpu) == (CARD["provider"], "A Card 7", 1, 2)
    assert told.proof is not None
    assert told.proof.driver == "in …/driver.so"


@pytest.mark.parametrize(
    ("provider", "kind", "expected"),
    [
        (WEBGPU, DeviceKind.DISCRETE, "discrete"),
        (WEBGPU, DeviceKind.INTEGRATED, "integrated"),
        (WEBGPU, DeviceKind.VIRTUAL, "virtual"),
        (WEBGPU, DeviceKind.CPU, "software"),
        (OPENVINO, DeviceKind.CPU, "cpu"),
        (OPENVINO, DeviceKind.INTEGRATED, "integrated"),
        (CPU_PROVIDER, DeviceKind.CPU, "cpu"),
    ],
)
def test_kind_of_hardware(
    provider: Provider, kind: DeviceKind, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "facts", lambda _: DeviceFacts("A Card 7", None, kind))
    told = Told.of({"stages": {"descriptors": {**CARD, "provider": provider.official}}})
    assert services._kind(ProviderRecord(name=provider.name), told) == expected


def test_the_cpu_in_place_of_a_device_has_a_reason() -> None:
    told = Told.of({"stages": {"descriptors": {**CPU, "device_missing": "there is no driver"}}})
    assert (told.official, told.missing) == (CPU_PROVIDER.official, "there is no driver")


def test_a_service_without_stages_is_unknown() -> None:
    assert Told.of({}).official == "unknown"


def test_a_network_on_the_cpu_is_not_the_device() -> None:
    assert Told.of({"stages": {"cnn_detections": CPU, "descriptors": CARD}}).official == CPU_PROVIDER.official
