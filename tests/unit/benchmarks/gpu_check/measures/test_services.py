"""Statements of `/info`."""

import pytest

from benchmarks.gpu_check.measures.services import Told

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
    ("device", "kind"),
    [
        ("A Card 7", "gpu"),
        (None, "gpu"),
        ("SwiftShader Device (LLVM 10.0.0)", "software"),
        ("llvmpipe (LLVM 19.1, 256 bits)", "software"),
    ],
)
def test_a_software_adapter_is_no_gpu(device: str | None, kind: str) -> None:
    assert Told.of({"stages": {"descriptors": {**CARD, "device": device}}}).kind() == kind


def test_the_cpu_in_place_of_a_device_has_a_reason() -> None:
    told = Told.of({"stages": {"descriptors": {**CPU, "device_missing": "there is no driver"}}})
    assert (told.kind(), told.missing) == ("cpu", "there is no driver")


def test_a_service_without_stages_is_unknown() -> None:
    assert Told.of({}).official == "unknown"


def test_a_network_on_the_cpu_is_not_the_device() -> None:
    assert Told.of({"stages": {"cnn_detections": CPU, "descriptors": CARD}}).kind() == "cpu"
