"""The report of the command `check`, on the real weights."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from service.commands.check import report
from service.commands.check.measurement import Measurement, measure
from service.recognition.contract import DeviceProof, ScanTrial, Stage
from service.recognition.ort.networks import SharedSessions
from service.recognition.ort.nvidia import Memory
from service.recognition.recognizer import Recognizer
from service.settings import Settings


def _settings(store: Path, **settings: object) -> Settings:
    given = {"FACE_MODEL": 3, "FACE_STORE": store, "FACE_PROVIDERS": "cpu", **settings}
    return Settings.model_validate(given)


def _measured(settings: Settings, photo: Path | None = None) -> Measurement:
    return measure(settings, photo, lambda _: None)


@pytest.fixture(scope="module")
def measured(store: Path) -> Measurement:
    return replace(_measured(_settings(store)), unused_gpu=None)


def _with(measured: Measurement, **values: object) -> Measurement:
    """The measurement with these values in each stage."""
    stages = {
        name: replace(stage, stage=replace(stage.stage, **values))  # type: ignore[arg-type]
        for name, stage in measured.stages.items()
    }
    return replace(measured, stages=stages)


def _lines(settings: Settings, photo: Path | None = None) -> list[str]:
    return [*report.lines(_measured(settings, photo))]


def test_measures_and_reports_a_photo_over_the_accepted_area(store: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (400, 300)).save(photo)
    settings = _settings(store)
    assert not any("412" in line for line in _lines(settings, photo))
    *lines, refused, verdict = _lines(settings.model_copy(update={"maximum_area": 100_000}), photo)
    assert refused.startswith("/detect would answer 412 to a photo of this size: 106250 pixels at most")
    assert any(line.startswith("  hog_detections") for line in lines)
    assert verdict.startswith("OK, with 1 warning above: model 3 computes on CPU: ")


def test_reports_runs_on_the_cpu(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedSessions, "cpu_fallback_runs", 2)
    lines = _lines(_settings(store))
    assert "    2 runs of it on the CPU: the device had too little memory" in lines
    assert not any("GPU memory" in line for line in lines)


def test_reports_the_precision_and_the_trial_of_a_scan(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = Recognizer.stages

    def scanning(self: Recognizer) -> dict[str, Stage]:
        trial = ScanTrial(0.4375, 0.0625, kept=True, file="/cache/scan-trial.json")
        found = stages(self)
        return {**found, "descriptors": replace(found["descriptors"], precision="int8 scan", trial=trial)}

    monkeypatch.setattr(Recognizer, "stages", scanning)
    lines = _lines(_settings(store))
    (number,) = (number for number, line in enumerate(lines) if line.startswith("  descriptors"))
    assert lines[number + 1 : number + 3] == [
        "    int8 scan; trial of the scan: 0.44 of the time in float32 (measured at an earlier start), "
        "largest error 0.062",
        "    its time is kept in /cache/scan-trial.json: without this file, it is measured again",
    ]
    assert sum("float32" in line for line in lines) == 1
    assert lines[-1].rpartition(";")[0].endswith("; int8 scan")


def test_reports_that_the_cnn_detector_computes_in_float32(store: Path) -> None:
    lines = _lines(_settings(store, FACE_MODEL=1, FACE_PRECISION="float32"))
    (number,) = (number for number, line in enumerate(lines) if line.startswith("  cnn_detections"))
    assert lines[number + 1] == "    float32"


def test_reports_why_there_is_no_scan(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = Recognizer.stages

    def refused(self: Recognizer) -> dict[str, Stage]:
        found = stages(self)
        return {**found, "descriptors": replace(found["descriptors"], scan_refused="it differs by 0.500")}

    monkeypatch.setattr(Recognizer, "stages", refused)
    assert "    float32; no scan: it differs by 0.500" in _lines(_settings(store))


def test_the_verdict_names_model_device_and_time(measured: Measurement) -> None:
    measured = replace(measured, cpu="CPU: 2 cores, An Example CPU")
    verdict = report.verdict(measured)
    assert verdict.startswith(
        "OK: model 3 computes on CPU: 2 cores, An Example CPU; float32; noise of 1.2 megapixels takes "
    )
    on_gpu = _with(measured, provider="CUDAExecutionProvider", device="NVIDIA GeForce RTX 3060")
    assert "computes on NVIDIA GeForce RTX 3060; float32; " in report.verdict(on_gpu)


def test_the_comparison_of_a_device_is_shown(measured: Measurement) -> None:
    proof = DeviceProof("webgpu", "AMD Radeon 780M", "radv 25", True, None, 2e-6, 3e-7, False, 0.25)
    assert (
        "    AMD Radeon 780M (radv 25) compared with the CPU: passed, scores 2e-06 (3e-05 allowed), descriptors 3e-07 "
        "(1e-05 allowed), 0.25 of its time (measured now)"
    ) in [*report.lines(_with(measured, device_proof=proof))]
    unused = _with(measured, device_proof=replace(proof, reason="it takes 0.9 of the time", time_ratio=0.9))
    assert any("passed, but is not used, " in line for line in report.lines(unused))
    failed = replace(
        proof, passed=False, reason="a number differs", descriptor_difference=0.5, time_ratio=None
    )
    other = _with(measured, device_proof=failed, device_missing="AMD Radeon 780M failed: a number differs")
    assert any("compared with the CPU: failed, a number differs" in line for line in report.lines(other))
    assert report.verdict(other).startswith("OK, with ")
    content = json.loads(json.dumps(report.content(other)))
    assert content["stages"]["descriptors"]["device_proof"]["descriptor_difference"] == 0.5


def test_a_gpu_that_cannot_compute_is_a_warning(measured: Measurement) -> None:
    *_, warning, verdict = report.lines(_with(measured, device_missing="there is no driver"))
    assert warning == "the CPU computes in place of a GPU: there is no driver"
    assert verdict.startswith("OK, with 1 warning above: ")


def test_an_unused_gpu_stands_before_the_verdict(measured: Measurement) -> None:
    *_, gpu, verdict = report.lines(replace(measured, unused_gpu="there is a GPU"))
    assert gpu == "there is a GPU"
    assert verdict.startswith("OK, with 1 warning above: ")


def test_reports_the_memory_of_a_gpu(measured: Measurement) -> None:
    with_gpu = replace(measured, gpu_memory=Memory(1_500_000_000, 12_000_000_000))
    assert "GPU memory 1500 of 12000 MB, of all processes together" in report.lines(with_gpu)
    assert report.content(with_gpu)["memory"] == {
        "peak": measured.peak_memory,
        "limit": measured.plan.limit,
        "gpu": {"used": 1_500_000_000, "total": 12_000_000_000},
    }


def test_json_has_the_figures_of_the_lines(measured: Measurement) -> None:
    content = json.loads(json.dumps(report.content(measured)))
    assert (content["ok"], content["verdict"]) == (True, report.verdict(measured))
    assert content["model"]["number"] == 3
    stages: Mapping[str, Mapping[str, object]] = content["stages"]
    assert [*stages] == ["hog_detections", "landmarks", "chips", "descriptors"]
    assert all(stage["milliseconds"] for stage in stages.values())
    assert "\n".join(content["sandbox"]) == measured.sandbox
