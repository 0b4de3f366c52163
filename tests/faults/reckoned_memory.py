"""Memory that the service reckons with for its worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_store.models import MODELS
from service.memory.heap import WORKER_KEEPS
from service.memory.largest_photo import KEPT_FOR_FACES
from service.recognition.memory import recognition_bytes
from tests.processes import status_number, worker_of

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.calling import Caller


@dataclass(frozen=True)
class ReckonedMemory:
    """Upper bounds of a worker's resident memory in KiB."""

    at_rest: int
    """Once photos have been answered, and none is in work."""
    peak: int
    """With as many of the largest photos in work as the admission allows."""

    @classmethod
    def before_photos(cls, service: Service, caller: Caller) -> ReckonedMemory:
        """The bounds of all workers of a ready service without the CNN detector that has had no photo yet."""
        worker, info = worker_of(service), caller.get("/info").json
        limits, model = info["limits"], MODELS[info["model"]["number"]]
        assert model.detector == "hog", "the CNN detector keeps further memory"
        # Each thread has a heap of its own, with free memory at its end.
        kept = limits["workers"] * KEPT_FOR_FACES + status_number(worker, "Threads") * WORKER_KEEPS
        largest = recognition_bytes(model, 1, limits["accepted_area"])
        # A single photo may exceed the budget.
        in_work = max(min(limits["workers"] * largest, limits["photo_bytes"]), largest)
        at_rest = status_number(worker, "VmRSS") + kept // 1024
        return cls(at_rest, at_rest + in_work // 1024)
