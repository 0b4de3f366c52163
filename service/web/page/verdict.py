"""Verdict: whether the service is up, and which device computes."""

from typing import NamedTuple

from service.supervision import State
from service.web.page.status import StageStatus, Status


class Verdict(NamedTuple):
    """The first lines of the page."""

    level: str
    """Style: `good`, `busy` or `bad`."""
    headline: str
    meaning: str


_VERDICTS: dict[State, tuple[str, str, str]] = {
    "starting": (
        "busy",
        "Starting",
        "The model is being loaded. Photos sent now wait and are answered afterwards: none is lost.",
    ),
    "warming up": (
        "busy",
        "Warming up",
        "The model is loaded and makes its first runs. Photos sent now wait and are answered afterwards: none is lost.",
    ),
    "ready": ("good", "Up and ready", "Photos are answered."),
    "failed": (
        "bad",
        "Not working",
        "The service could not start and is about to stop. Its log says why: docker logs, journalctl, or the terminal "
        "in which it was started.",
    ),
}


def verdict(status: Status) -> Verdict:
    """The verdict on a state. A GPU without work is not a fault of the state."""
    return Verdict(*_VERDICTS[status.state])


class Devices(NamedTuple):
    """Names of the devices that compute."""

    gpu: str | None
    """None if no stage runs on one."""
    cpu: str | None
    """With a software adapter, if one computes beside it."""


def devices(stages: list[StageStatus]) -> Devices:
    """The devices of the stages; both None before the stages are known."""
    on_gpu = [stage.device for stage in stages if stage.is_gpu]
    others = dict.fromkeys(stage.device for stage in stages if not stage.is_gpu)
    return Devices(next(iter(on_gpu), None), " and ".join(others) or None)


ENGINES = {"onnx": "ONNX Runtime", "compiled": "compiled loops", "dlib": "dlib"}
"""Engine to its name for people."""
PRECISIONS = {
    "int8 scan": "int8, then float32 near the threshold",
    "float16 scan": "float16, then float32 near the threshold",
}
"""Precision to words that need no page of the documentation."""
