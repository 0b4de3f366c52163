"""Stages in plain words, names of devices, and a GPU that is not used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service import cpu_flags
from service.messages import StageReport
from service.recognition.contract import Engine
from service.recognition.ort import installed
from service.recognition.ort.installed import UnusedGpu
from service.recognition.timings import Timings
from service.settings import Settings
from service.supervision import Quarantine
from service.supervision.devices import Device
from service.web.page.stages import NOT_SHOWN, TITLES, cpu_name, on_gpu, stage_statuses, unused_gpu


def report(**values: Any) -> StageReport:
    given = {"engine": "onnx", "provider": "CPUExecutionProvider", "precision": "float32", "batches": {}}
    nothing = dict.fromkeys(("scan", "trial", "scan_refused", "device", "device_proof", "device_missing"))
    return StageReport.model_validate(
        {**given, "fallbacks": 0, "on_cpu": 0, "is_gpu": False, **nothing, **values}
    )


def test_each_stage_has_a_title() -> None:
    assert set(TITLES) == set(Timings.__dataclass_fields__)
    assert all(hasattr(Engine, name) for name in TITLES)


def test_stages_are_in_the_order_of_the_work_with_their_devices() -> None:
    stages = {
        "hog_confirms": report(engine="compiled", provider="cpu"),
        "descriptors": report(provider="CUDAExecutionProvider", device="NVIDIA GeForce RTX 3060", on_cpu=2),
        "cnn_detections": report(provider="CUDAExecutionProvider", precision="float16 scan", fallbacks=3),
    }
    assert [
        (stage.name, stage.device, stage.precision, stage.fallbacks, stage.on_cpu)
        for stage in stage_statuses(stages, "CPU: x")
    ] == [
        ("cnn_detections", "CUDAExecutionProvider", "float16 scan", 3, 0),  # its driver gave no name
        ("descriptors", "NVIDIA GeForce RTX 3060", "float32", 0, 2),
        ("hog_confirms", "CPU: x", "float32", 0, 0),
    ]


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("model name\t: Xeon\nflags\t\t: avx2 avx512_vnni\n", "AVX-512 VNNI, Xeon"),
        ("model name\t: Core i3-N305\nflags\t\t: avx2 avx_vnni\n", "AVX-VNNI, Core i3-N305"),
        ("model name\t: Celeron\nflags\t\t: sse4_2\n", "Celeron"),
        ("CPU part\t: 0xd08\nFeatures\t: fp asimd\n", "arm64 without dot product, CPU part 0xd08"),
    ],
)
def test_names_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(cpu_flags, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("service.web.page.stages.computing_cores", lambda: 2)
    assert cpu_name() == f"CPU: 2 cores, {name}"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """`gpu(wheel)`: a machine with a driver, and with the wheel that uses it or not."""

    def plant(wheel: bool) -> None:
        monkeypatch.setattr(installed, "has_driver", lambda: True)
        monkeypatch.setattr(installed, "has_wheel", lambda name: wheel)
        monkeypatch.setattr("platform.machine", lambda: "x86_64")

    return plant


ON_CPU = {"descriptors": report()}


def test_names_what_keeps_a_gpu_from_being_used(gpu: Callable[[bool], None]) -> None:
    gpu(False)
    for values, reason, remedy in (
        ({}, "The CPU computes, although this machine has an NVIDIA driver.", "ACCELERATOR=cuda make serve"),
        ({"FACE_PROVIDERS": "cpu"}, "because of FACE_PROVIDERS=cpu", "Set FACE_PROVIDERS=auto"),
        ({"FACE_ENGINE": "dlib"}, "because of FACE_ENGINE=dlib", "Set FACE_ENGINE=onnx"),
    ):
        unused = unused_gpu(Settings.model_validate(values), ON_CPU)
        assert unused is not None
        assert reason in unused.reason
        assert remedy in unused.remedy


def test_gives_the_reason_of_the_worker_without_a_path() -> None:
    stages = {"descriptors": report(device_missing="there is no NVIDIA driver: use --gpus all")}
    unused = unused_gpu(Settings(), stages)
    assert unused is not None
    assert (
        unused.reason == "The CPU computes, since the GPU cannot: there is no NVIDIA driver: use --gpus all."
    )
    stages = {"descriptors": report(device_missing="ONNX Runtime cannot load /home/x/models")}
    unused = unused_gpu(Settings(), stages)
    assert unused is not None
    assert (NOT_SHOWN in unused.reason, "/home" in unused.reason) == (True, False)


PROOF = {
    **{"provider": "webgpu", "device": "a card", "driver": None, "passed": True, "reason": None},
    **{"score_difference": None, "descriptor_difference": 1e-7, "faces_differ": False, "time_ratio": 1.3},
    "kept": False,
}


@pytest.mark.parametrize(
    ("missing", "proof", "reason", "remedy"),
    [
        ("there is no driver", None, "the GPU cannot: there is no driver.", "Remove this cause"),
        (
            "a card failed its comparison with the CPU: a number differs by 0.01",
            {"passed": False, "reason": "a number differs by 0.01"},
            "a card failed its comparison with the CPU: a number differs by 0.01.",
            "update the driver, and restart the service",
        ),
        ("there is no driver", {"reason": "it takes 1.30"}, "there is no driver.", "Remove this cause"),
        (None, {"reason": "it takes 1.30"}, "a card would save too little time: it takes 1.30.", "=webgpu"),
    ],
)
def test_has_a_remedy_for_each_reason(
    monkeypatch: pytest.MonkeyPatch,
    missing: str | None,
    proof: dict[str, Any] | None,
    reason: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(installed, "unused_gpu", lambda: None)
    of_device = None if proof is None else {**PROOF, **proof}
    unused = unused_gpu(Settings(), {"descriptors": report(device_missing=missing, device_proof=of_device)})
    assert unused is not None
    assert reason in unused.reason
    assert remedy in unused.remedy


def test_a_device_that_is_no_gpu_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "unused_gpu", lambda: None)
    software = report(provider="WebGpuExecutionProvider", device="SwiftShader", device_proof=PROOF)
    assert not on_gpu([software])
    assert unused_gpu(Settings(), {"descriptors": software}) is None


def test_is_silent_if_a_gpu_computes_or_there_is_none(gpu: Callable[[bool], None]) -> None:
    on_gpu = report(provider="CUDAExecutionProvider", is_gpu=True)
    assert unused_gpu(Settings(), {"descriptors": on_gpu}) is None
    gpu(True)
    assert unused_gpu(Settings(), ON_CPU) is None


def test_says_since_when_the_cpu_computes_for_a_lost_gpu() -> None:
    since = datetime(2026, 11, 30, 13, 5, tzinfo=UTC)
    lost = Quarantine(Device("webgpu", "a card"), "it is lost", since, since + timedelta(hours=1))
    unused = unused_gpu(Settings(), {"descriptors": report(provider="of the last worker")}, lost)
    assert unused is not None
    assert unused.reason == ("The CPU computes since 13:05 UTC, when a card (webgpu) failed: it is lost.")
    assert "tried again after 14:05 UTC" in unused.remedy
    hidden = unused_gpu(Settings(), {}, replace(lost, reason="cannot open /dev/dri/renderD128"))
    assert hidden is not None
    assert "/dev" not in hidden.reason


def test_names_what_a_card_lacks_in_place_of_a_reason_with_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = UnusedGpu("this machine has an AMD GPU", "set RENDER_GROUP=992")
    monkeypatch.setattr(installed, "unused_gpu", lambda: closed)
    stages = {"descriptors": report(device_missing="this account may not open /dev/dri/renderD128")}
    unused = unused_gpu(Settings(), stages)
    assert unused is not None
    assert unused.remedy == "Set RENDER_GROUP=992."
    unused = unused_gpu(Settings(), {"descriptors": report(device_missing="its scores differ by 0.01")})
    assert unused is not None
    assert "its scores differ by 0.01" in unused.reason
    assert unused_gpu(Settings.model_validate({"FACE_PROVIDERS": "cpu"}), ON_CPU) is None
