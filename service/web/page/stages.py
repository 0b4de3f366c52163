"""Stages for people: titles in plain words, the names of their devices, and a GPU that none of them uses."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from service.cpu_flags import processor_name, vector_instructions
from service.messages import DeviceReport, StageReport
from service.recognition.compute.core_count import computing_cores
from service.recognition.ort import installed
from service.settings import Settings
from service.supervision import Quarantine
from service.web.page.status import StageStatus, UnusedGpu

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "cnn_detections": "Face detection (CNN)",
        "hog_detections": "Face detection (HOG)",
        "landmarks": "Landmarks: eyes and nose",
        "chips": "Cut-outs of the faces",
        "descriptors": "Descriptors: 128 numbers of a face",
        "hog_confirms": "Confirmation of the faces (HOG)",
    }
)
"""Name of a stage, as the method of `Engine`, to its title, in the order of the work on a photo."""

CPU_PROVIDERS = frozenset({"cpu", "CPUExecutionProvider"})
"""Providers of stages that the CPU computes: compiled loops and dlib, and ONNX Runtime's."""

NOT_SHOWN = "the log of the service has the reason"


def without_path(reason: str) -> str:
    """A reason of the worker, unless it may name a path of this machine, which pages without a key do not show."""
    return NOT_SHOWN if "/" in reason else reason


def cpu_name() -> str:
    """The processor with its number of cores and its vector instructions."""
    cores = computing_cores()
    parts = (f"{cores} core{'' if cores == 1 else 's'}", vector_instructions(), processor_name())
    return f"CPU: {', '.join(filter(None, parts))}"


def device_name(provider: str, by_driver: str | None, cpu: str) -> str:
    """Name of the device of a provider: `cpu`, or the driver's name, if it has one."""
    return cpu if provider in CPU_PROVIDERS else by_driver or provider


def on_gpu(stages: Iterable[StageReport]) -> bool:
    """True if a GPU computes one of the stages."""
    return any(stage.is_gpu for stage in stages)


def stage_statuses(stages: Mapping[str, StageReport], cpu: str) -> Iterator[StageStatus]:
    """The stages in the order of the work on a photo."""
    for name, title in TITLES.items():
        if stage := stages.get(name):
            yield StageStatus(
                name=name,
                title=title,
                engine=stage.engine,
                device=device_name(stage.provider, stage.device, cpu),
                provider=stage.provider,
                is_gpu=stage.is_gpu,
                precision=stage.precision,
                fallbacks=stage.fallbacks,
                on_cpu=stage.on_cpu,
            )


def unused_gpu(
    settings: Settings, stages: Mapping[str, StageReport], quarantine: Quarantine | None = None
) -> UnusedGpu | None:
    """The GPU that could compute and does not; None without one, or if a stage uses it."""
    if quarantine is not None:
        return _quarantined(quarantine)
    if on_gpu(stages.values()):
        return None
    missing = next((stage.device_missing for stage in stages.values() if stage.device_missing), None)
    proof = next((stage.device_proof for stage in stages.values() if stage.device_proof), None)
    for is_set, setting, instead in (
        (settings.engine != "onnx", f"FACE_ENGINE={settings.engine}", "FACE_ENGINE=onnx"),
        (settings.providers == "cpu", "FACE_PROVIDERS=cpu", "FACE_PROVIDERS=auto"),
    ):
        if is_set and missing is None:
            return _not_set(setting, instead) if installed.has_driver() else None
    # The worker's line about a device file has its path, which is not shown; the other one is made of known paths.
    if (missing is None or without_path(missing) == NOT_SHOWN) and (unused := installed.unused_gpu()):
        return UnusedGpu(reason=_sentence(unused.reason), remedy=_sentence(unused.remedy))
    if missing:
        return _unusable(missing, is_wrong=proof is not None and (proof.reason or "") in missing)
    return _slower(proof) if proof and proof.passed and proof.reason else None


def _quarantined(quarantine: Quarantine) -> UnusedGpu:
    return UnusedGpu(
        reason=(
            f"The CPU computes since {quarantine.since:%H:%M} UTC, when {quarantine.device} failed: "
            f"{without_path(quarantine.reason)}."
        ),
        remedy=(
            f"The device is tried again after {quarantine.until:%H:%M} UTC. If it fails again, look for its driver "
            "in the system's log (dmesg)."
        ),
    )


def _not_set(setting: str, instead: str) -> UnusedGpu:
    return UnusedGpu(
        reason=f"The CPU computes because of {setting}, although this machine has an NVIDIA driver.",
        remedy=f"Set {instead}, and restart the service.",
    )


def _unusable(missing: str, *, is_wrong: bool) -> UnusedGpu:
    """A device with a missing part, or one whose values at the start were wrong."""
    return UnusedGpu(
        reason=f"The CPU computes, since the GPU cannot: {without_path(missing)}.",
        remedy=(
            "Its driver or the GPU is at fault, no setting: update the driver, and restart the service. With the same "
            "driver, the device is compared again after a day."
            if is_wrong
            else "Remove this cause, and restart the service; `face-model check` then shows the GPU."
        ),
    )


def _slower(proof: DeviceReport) -> UnusedGpu:
    return UnusedGpu(
        reason=f"The CPU computes, since {proof.device} would save too little time: {proof.reason}.",
        remedy=(
            f"Nothing has to be repaired. FACE_PROVIDERS={proof.provider} uses the GPU in spite of that, for instance "
            "to leave the CPU to other services."
        ),
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
