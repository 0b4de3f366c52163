"""The log's last line at a start: address, model, device and precision of the main stages, memory, documentation."""

import logging
from collections.abc import Callable, Mapping

from service.memory.capacity import Capacity, memory
from service.messages import StageReport, WorkerStatus
from service.settings import Settings
from service.supervision import OnReady
from service.web.page.stages import cpu_name, device_name

log = logging.getLogger(__name__)

DOCUMENTATION = "docs/README.md"

MAIN_STAGES = (("cnn_detections", "CNN"), ("hog_detections", "HOG"), ("descriptors", "descriptors"))
"""Stages that take the most time, and their names in the line."""


def ready_log(settings: Settings, capacity: Capacity, address: Callable[[], str] | None) -> OnReady:
    """The log of each warm worker process. `address`: gives the URL of the service; None if another server listens."""

    def ready(status: WorkerStatus | None, cause: str | None) -> None:
        if cause is not None:
            log.info(ready_again_line(cause=cause, status=status))
            return
        line = ready_line(
            address=address() if address else None,
            model=settings.model,
            status=status,
            photos=capacity.photos,
            memory=memory(settings),
        )
        log.info(line)

    return ready


def ready_line(
    *, address: str | None, model: int, status: WorkerStatus | None, photos: int, memory: int
) -> str:
    """The line of a first worker.

    Args:
        address: URL of the service; None if another server listens.
        model: FACE_MODEL.
        status: the worker's; None if it is unknown.
        photos: number of photos in work at the same time.
        memory: memory budget of all processes, in bytes.
    """
    parts = [
        *([address] if address else []),
        f"model {model}",
        *_computed(status),
        f"{photos} {'photo' if photos == 1 else 'photos'} at a time in {memory / 1024**3:.1f} GiB",
        DOCUMENTATION,
    ]
    return f"ready: {' · '.join(parts)}"


def ready_again_line(*, cause: str, status: WorkerStatus | None) -> str:
    """The line of each further worker; `cause`: the end of the worker before."""
    return " · ".join([f"ready again, with a new worker process ({cause})", *_computed(status)])


def _computed(status: WorkerStatus | None) -> list[str]:
    """Such as "CNN (int8 scan), descriptors (float32) on CPU: 2 cores, AVX2", for each device."""
    stages: Mapping[str, StageReport] = (status and status.stages) or {}
    by_device: dict[str, list[str]] = {}
    cpu = cpu_name()
    for name, title in MAIN_STAGES:
        if stage := stages.get(name):
            how = stage.precision if stage.engine == "onnx" else stage.engine
            by_device.setdefault(device_name(stage.provider, stage.device, cpu), []).append(
                f"{title} ({how})"
            )
    return [f"{', '.join(titles)} on {name}" for name, titles in by_device.items()]
