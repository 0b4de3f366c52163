"""OpenVINO's plug-in: its device, and float32 in place of bfloat16 and float16; its refusal without a device."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model_store import manifest
from model_store.models import DLIB_RESNET
from service.recognition.contract import DESCRIPTORS_ALLOWED
from service.recognition.ort import openvino, plugins, render_nodes
from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.providers import OPENVINO, missing
from service.recognition.ort.sessions import Session

MISSING = missing(OPENVINO)


def _listed(kind: str, **metadata: str) -> Any:
    return SimpleNamespace(
        ep_name=openvino.OFFICIAL,
        device=SimpleNamespace(type=f"OrtHardwareDeviceType.{kind}"),
        ep_metadata={"version": "1.8", **metadata},
    )


def _plug_in_lists(monkeypatch: pytest.MonkeyPatch, *devices: Any) -> None:
    monkeypatch.setattr(plugins, "devices", lambda package, official: list(devices))


def test_a_gpu_is_taken_before_the_cpu_and_an_npu_never(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = _listed("CPU", ov_device="CPU", FULL_DEVICE_NAME="Intel(R) N100")
    gpu = _listed("GPU", ov_device="GPU", FULL_DEVICE_NAME="Intel(R) UHD Graphics", DEVICE_TYPE="integrated")
    npu = _listed("NPU", ov_device="NPU")
    _plug_in_lists(monkeypatch, npu, cpu, gpu)
    assert openvino.facts() == DeviceFacts("Intel(R) UHD Graphics", "OpenVINO plug-in 1.8", Kind.INTEGRATED)
    _plug_in_lists(monkeypatch, npu, cpu)
    assert openvino.facts() == DeviceFacts("Intel(R) N100", "OpenVINO plug-in 1.8", Kind.CPU)
    _plug_in_lists(monkeypatch, npu)
    assert openvino.facts() is None
    assert openvino.missing() == "OpenVINO lists no device: it needs a processor or a GPU of Intel"


def test_only_an_intel_gpu_is_expected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(render_nodes, "KERNEL_NODES", tmp_path)
    device = tmp_path / "renderD128" / "device"
    device.mkdir(parents=True)
    for vendor, expected in (("0x1002\n", False), ("0x8086\n", True)):
        (device / "vendor").write_text(vendor)
        assert openvino.has_gpu() is expected


def test_float32_is_asked_of_each_device() -> None:
    asked = json.loads(openvino.OPTIONS["load_config"])
    assert {of["INFERENCE_PRECISION_HINT"] for of in asked.values()} == {"f32"}
    assert set(asked) == {"CPU", "GPU"}


@pytest.mark.skipif(MISSING is None, reason="OpenVINO has a device here")
def test_a_machine_without_a_device_of_intel_is_refused_in_one_line() -> None:
    assert MISSING
    assert "\n" not in MISSING


@pytest.mark.skipif(MISSING is not None, reason=f"no OpenVINO: {MISSING}")
def test_descriptors_on_this_processor_equal_those_of_the_cpu(store: Path) -> None:
    graph = manifest.graph_path(store, DLIB_RESNET)
    chips = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    found, expected = Session(graph, provider=OPENVINO).run(chips), Session(graph).run(chips)
    np.testing.assert_allclose(found, expected, rtol=0, atol=DESCRIPTORS_ALLOWED)
