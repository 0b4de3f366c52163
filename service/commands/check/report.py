"""Report of the command `check`: a measurement as lines, with a verdict, or as JSON."""

from collections.abc import Iterator
from dataclasses import asdict

from service.commands.check.measurement import RUNS, Measurement, StageMeasurement
from service.recognition.contract import DESCRIPTORS_ALLOWED, SCORES_ALLOWED, DeviceProof, Stage
from service.web.page.stages import device_name

NETWORKS = ("cnn_detections", "descriptors")
"""Stages with a network: their provider is the device of the model."""


def lines(measured: Measurement) -> Iterator[str]:
    """The report, a line each; the last one is the verdict."""
    yield f"model {measured.model.number}: {measured.model.description}"
    yield (
        f"{_picture(measured)} of {measured.columns} x {measured.rows} pixels, faces found: {measured.faces}, "
        f"median of {RUNS} runs"
    )
    for name, stage in measured.stages.items():
        yield (
            f"  {name:<15} {stage.stage.engine:<9} {stage.stage.provider:<25} {1000 * stage.seconds:8.1f} ms"
            f"   +{stage.memory_growth / 1e6:.0f} MB"
        )
        yield from (f"    {detail}" for detail in _details(name, stage.stage))
    yield f"peak memory {measured.peak_memory / 1e6:.0f} MB"
    if gpu := measured.gpu_memory:
        yield f"GPU memory {gpu.used / 1e6:.0f} of {gpu.total / 1e6:.0f} MB, of all processes together"
    yield from measured.plan.warnings() or [measured.plan.summary()]
    yield measured.sandbox
    yield from _remarks(measured)
    yield verdict(measured)


def content(measured: Measurement) -> dict[str, object]:
    """The report as JSON: times in milliseconds, memory in bytes."""
    return {
        "ok": True,
        "verdict": verdict(measured),
        "warnings": [*measured.plan.warnings(), *_remarks(measured)],
        "model": {"number": measured.model.number, "description": measured.model.description},
        "cpu": measured.cpu,
        "photo": {
            "picture": _picture(measured),
            "width": measured.columns,
            "height": measured.rows,
            "faces": measured.faces,
        },
        "stages": {name: _stage(stage) for name, stage in measured.stages.items()},
        "memory": {
            "peak": measured.peak_memory,
            "limit": measured.plan.limit,
            "gpu": measured.gpu_memory._asdict() if measured.gpu_memory else None,
        },
        "maximum_area": measured.plan.advertised_area,
        "sandbox": measured.sandbox.splitlines(),
    }


def verdict(measured: Measurement) -> str:
    """One line: the device that computes, and the time of the photo."""
    seconds = sum(stage.seconds for stage in measured.stages.values())
    megapixels = measured.columns * measured.rows / 1e6
    warnings = len(measured.plan.warnings()) + len(_remarks(measured))
    noted = f", with {warnings} warning{'s' * (warnings > 1)} above" if warnings else ""
    return (
        f"OK{noted}: model {measured.model.number} computes on {_device(measured)}; {_picture(measured)} of "
        f"{megapixels:.1f} megapixels takes {1000 * seconds:.0f} ms"
    )


def _device(measured: Measurement) -> str:
    networks = [measured.stages[name].stage for name in NETWORKS if name in measured.stages]
    precisions = ", ".join(dict.fromkeys(stage.precision for stage in networks))
    devices = ", ".join(dict.fromkeys(_device_name(measured, stage) for stage in networks))
    return f"{devices}; {precisions}"


def _device_name(measured: Measurement, stage: Stage) -> str:
    return device_name(stage.provider, stage.device, measured.cpu)


def _remarks(measured: Measurement) -> list[str]:
    """Lines about a GPU that is not used, and about the photo's size."""
    stages = {name: measured_stage.stage for name, measured_stage in measured.stages.items()}
    missing = next((stage.device_missing for stage in stages.values() if stage.device_missing), None)
    cannot = f"the CPU computes in place of a GPU: {missing}" if missing else None
    accepted = measured.plan.accepted_area
    too_large = (
        f"/detect would answer 412 to a photo of this size: {accepted} pixels at most "
        "(FACE_MAXIMUM_AREA), to which the app scales it down"
        if measured.rows * measured.columns > accepted
        else None
    )
    return [line for line in (measured.unused_gpu, cannot, too_large) if line]


def _compared(proof: DeviceProof) -> str:
    differences = [
        f"{name} {difference:.1g} ({allowed:g} allowed)"
        for name, difference, allowed in (
            ("scores", proof.score_difference, SCORES_ALLOWED),
            ("descriptors", proof.descriptor_difference, DESCRIPTORS_ALLOWED),
        )
        if difference is not None
    ]
    when = "at an earlier start" if proof.kept else "now"
    time = [] if proof.time_ratio is None else [f"{proof.time_ratio:.2f} of its time (measured {when})"]
    passed = "passed, but is not used" if proof.reason else "passed"
    verdict = passed if proof.passed else f"failed, {proof.reason}"
    driver = f" ({proof.driver})" if proof.driver else ""
    return f"{proof.device}{driver} compared with the CPU: {', '.join([verdict, *differences, *time])}"


def _picture(measured: Measurement) -> str:
    return "a photo" if measured.of_photo else "noise"


def _details(name: str, stage: Stage) -> Iterator[str]:
    if stage.trial:
        yield f"{stage.precision}; trial of the scan: {stage.trial}"
        if stage.trial.file:
            yield f"its time is kept in {stage.trial.file}: without this file, it is measured again"
    elif stage.scan_refused:
        yield f"{stage.precision}; no scan: {stage.scan_refused}"
    elif stage.precision != Stage.precision or name == "cnn_detections":
        yield stage.precision
    if stage.device_proof:
        yield _compared(stage.device_proof)
    if stage.on_cpu:
        yield f"{stage.on_cpu} runs of it on the CPU: the device had too little memory"


def _stage(measured: StageMeasurement) -> dict[str, object]:
    stage = measured.stage
    return {
        "engine": stage.engine,
        "provider": stage.provider,
        "device": stage.device,
        "precision": stage.precision,
        "milliseconds": round(1000 * measured.seconds, 3),
        "memory_growth": measured.memory_growth,
        "runs_on_cpu": stage.on_cpu,
        "trial": asdict(stage.trial) if stage.trial else None,
        "scan_refused": stage.scan_refused,
        "device_proof": asdict(stage.device_proof) if stage.device_proof else None,
        "device_missing": stage.device_missing,
    }
