"""Statements of `/info`."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.measures import services
from benchmarks.gpu_check.measures.services import Told
from benchmarks.gpu_check.schema import ProviderRecord, Scan
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
    "precision": "float32",
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
        (WEBGPU, DeviceKind.SOFTWARE, "software"),
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
    assert services._kind(told) == expected


def test_the_cpu_in_place_of_a_device_has_a_reason() -> None:
    told = Told.of({"stages": {"descriptors": {**CPU, "device_missing": "there is no driver"}}})
    assert (told.official, told.missing) == (CPU_PROVIDER.official, "there is no driver")


def test_the_scan_is_told_of_mixed_precision_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    record = ProviderRecord(name="webgpu")
    detector = {
        **CARD,
        "precision": "float16 scan",
        "scan_refused": None,
        "trial": {"time_ratio": 0.6, "kept": True},
    }
    stopped = {**detector, "scan": {"stopped": "a score differs, see /home/jane/log"}}
    start, end = ({"stages": {"cnn_detections": stage, "descriptors": CARD}} for stage in (detector, stopped))
    exact = ProviderRecord(name="webgpu")
    _started(exact, monkeypatch, start, end)
    assert exact.scan is None
    _started(record, monkeypatch, start, end, precision="mixed")
    assert record.scan == Scan(precision="float16 scan", stopped="a score differs, see …/log", time_ratio=0.6)
    assert list(verdicts.faults(record)) == ["the scan has stopped: a score differs, see …/log"]


class _Client:
    """Answers of `/info`, one after the other."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def get(self, path: str) -> httpx.Response:
        assert path == "/info"
        return httpx.Response(
            200, json=self._answers.pop(0), request=httpx.Request("GET", "http://service/info")
        )


def _started(
    record: ProviderRecord, monkeypatch: pytest.MonkeyPatch, *answers: object, precision: str = "float32"
) -> None:
    """Start and stop a service that gives these answers, without a process."""
    service = SimpleNamespace(ready_after=1.0)
    monkeypatch.setattr(services, "serving", lambda _: nullcontext((service, _Client(*answers))))
    monkeypatch.setattr(
        services,
        "facts",
        lambda name: DeviceFacts("A Card 7", None, DeviceKind.DISCRETE) if "Web" in name else None,
    )
    with services.started(record, 4, precision, Path("models")):
        pass


def test_counts_of_a_service_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    record = ProviderRecord(name="webgpu")
    stages = {"stages": {"descriptors": CARD}}
    for _ in range(2):
        _started(record, monkeypatch, stages, stages)
    assert (record.kind, record.device, record.on_cpu, record.failure) == ("discrete", "A Card 7", 4, None)
    assert len(record.starts) == 2


@pytest.mark.parametrize("when", ["in a run", "at a later start"])
def test_a_device_that_is_given_up_is_a_failure(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = ProviderRecord(name="webgpu")
    used = {"stages": {"descriptors": CARD}}
    lost = {"stages": {"descriptors": {**CPU, "fallbacks": 0, "device_missing": "two faults of the device"}}}
    _started(record, monkeypatch, used, used)
    with pytest.raises(services.DeviceGivenUp):
        _started(record, monkeypatch, *((used, lost) if when == "in a run" else (lost,)))
    assert record.failure == "the service has given up the device: two faults of the device"
    assert verdicts.verdict(record) == "failed"


def test_a_device_that_cannot_be_used_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    record = ProviderRecord(name="webgpu")
    missing = {"stages": {"descriptors": {**CPU, "fallbacks": 0, "device_missing": "there is no driver"}}}
    _started(record, monkeypatch, missing, missing)
    assert (record.unused, record.failure, record.kind) == ("there is no driver", None, "cpu")
    assert verdicts.verdict(record) == "not used"


def test_a_service_without_stages_is_unknown() -> None:
    assert Told.of({}).official == "unknown"


def test_a_network_on_the_cpu_is_not_the_device() -> None:
    assert Told.of({"stages": {"cnn_detections": CPU, "descriptors": CARD}}).official == CPU_PROVIDER.official
