from collections.abc import Mapping

import pytest

from service.messages import StageReport, WorkerStatus
from service.web.server import ready_line


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_line, "cpu_name", lambda: "CPU: 2 cores")


def status_of(stages: Mapping[str, tuple[str, str, str]]) -> WorkerStatus:
    """`stages`: name to engine, provider and precision."""
    reports = {
        name: StageReport(
            engine=engine,
            provider=provider,
            precision=precision,
            fallbacks=0,
            on_cpu=0,
            batches={},
            scan=None,
            trial=None,
            scan_refused=None,
            device="NVIDIA GeForce RTX 3060" if provider == GPU else None,
            is_gpu=provider == GPU,
            device_proof=None,
            device_missing=None,
        )
        for name, (engine, provider, precision) in stages.items()
    }
    return WorkerStatus(metrics="", stages=reports, restrictions={})


CPU, GPU = "CPUExecutionProvider", "CUDAExecutionProvider"
ON_CPU = {
    "cnn_detections": ("onnx", CPU, "int8 scan"),
    "landmarks": ("compiled", "cpu", "float32"),
    "descriptors": ("onnx", CPU, "float32"),
}
MIXED = {**ON_CPU, "cnn_detections": ("onnx", GPU, "float32")}
HOG = {"hog_detections": ("compiled", "cpu", "float32"), "descriptors": ("dlib", "cpu", "float32")}


@pytest.mark.parametrize(
    ("stages", "computed"),
    [
        (ON_CPU, "CNN (int8 scan), descriptors (float32) on CPU: 2 cores · "),
        (MIXED, "CNN (float32) on NVIDIA GeForce RTX 3060 · descriptors (float32) on CPU: 2 cores · "),
        (HOG, "HOG (compiled), descriptors (dlib) on CPU: 2 cores · "),
        ({}, ""),
    ],
)
def test_names_devices_and_precision(stages: Mapping[str, tuple[str, str, str]], computed: str) -> None:
    line = ready_line.ready_line(
        address="http://10.0.0.7:5000/",
        model=4,
        status=status_of(stages),
        photos=3,
        memory=3 * 1024**3 // 2,
    )
    assert line == (
        f"ready: http://10.0.0.7:5000/ · model 4 · {computed}3 photos at a time in 1.5 GiB · docs/README.md"
    )


def test_says_why_a_further_worker_was_started() -> None:
    line = ready_line.ready_again_line(cause="SIGSEGV", status=status_of(ON_CPU))
    assert line == (
        "ready again, with a new worker process (SIGSEGV) · CNN (int8 scan), descriptors (float32) on CPU: 2 cores"
    )


def test_needs_no_status() -> None:
    line = ready_line.ready_again_line(cause="stuck", status=None)
    assert line == "ready again, with a new worker process (stuck)"
