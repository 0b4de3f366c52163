"""The service with a planted device: `python -m tests.faults.planted_device FAULT FOLDER`, not `-m service serve`.

The device is ONNX Runtime's CPU provider under the name of WebGPU, with one fault. It counts as clearly faster than the
CPU. A file in FOLDER repairs it, and the web process then tries it again after QUARANTINE seconds. The same module is
the worker, with the worker's arguments after FOLDER.
"""

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from service.__main__ import main as serve
from service.early_exit import exit_now
from service.supervision import Supervisor, devices, process
from service.worker.__main__ import main as worker
from tests.faults.planting import plant_when_confined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "a planted card"
QUARANTINE = 2.0
"""Seconds on the CPU, again and again until the device is repaired."""
DEADLINE = 3.0
"""Seconds for one call of the device."""
RUNS_UNTIL_FAULT = 8
"""Number of runs for photos before a fault of a warm worker."""
BEFORE_PHOTOS = ("MainThread", "warm-up")
"""Threads of the proof and of the warm-up."""
REPAIRED = "repaired"
"""File in FOLDER whose presence ends the fault."""

Run = Callable[[], "list[NDArray[np.float32]]"]
"""A run without the fault."""
Fault = Callable[[Run, int], "list[NDArray[np.float32]]"]
"""A run with the fault, given its number; 0 before the first photo."""


def wrong(run: Run, number: int) -> "list[NDArray[np.float32]]":
    import numpy as np

    return [output + np.float32(1e-2) for output in run()]


def crash(run: Run, number: int) -> "list[NDArray[np.float32]]":
    os.kill(os.getpid(), signal.SIGSEGV)
    return []


def slow(run: Run, number: int) -> "list[NDArray[np.float32]]":
    time.sleep(0.5)
    return run()


def lost(run: Run, number: int) -> "list[NDArray[np.float32]]":
    if number > RUNS_UNTIL_FAULT:
        raise RuntimeError("planted: Device is lost")
    return run()


def zeros(run: Run, number: int) -> "list[NDArray[np.float32]]":
    return [output * 0 for output in run()] if number > RUNS_UNTIL_FAULT else run()


def hang(run: Run, number: int) -> "list[NDArray[np.float32]]":
    if number > RUNS_UNTIL_FAULT:
        time.sleep(1000)
    return run()


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {fault.__name__: fault for fault in (wrong, crash, slow, lost, zeros, hang)}
)


class FaultySession:
    """A session of ONNX Runtime whose runs have the fault."""

    def __init__(self, session: Any, fault: Fault, folder: Path) -> None:
        self._session = session
        self._fault = fault
        self._folder = folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Sequence[str], inputs: "Mapping[str, NDArray[np.float32]]", options: Any) -> Any:
        def run() -> "list[NDArray[np.float32]]":
            return list(self._session.run(outputs, inputs, options))

        number = 0 if threading.current_thread().name in BEFORE_PHOTOS else next(RUNS)
        return run() if (self._folder / REPAIRED).exists() else self._fault(run, number)


RUNS = itertools.count(1)
"""Number of each run for photos, counted over all sessions of this process."""


def plant(fault: str, folder: Path) -> None:
    """Makes the planted device the one of WebGPU, and the only candidate of `auto`."""
    from service.recognition.engines import device_proof
    from service.recognition.engines.device_verdicts import Subject
    from service.recognition.ort import installed, providers
    from service.recognition.ort.device import DeviceFacts, Kind
    from service.worker import device_watch

    cpu, webgpu = providers.CPU, providers.WEBGPU
    assert webgpu.device is not None
    card = replace(
        webgpu.device,
        facts=lambda: DeviceFacts(NAME, "planted 1.0", Kind.DISCRETE),
        expected=lambda: True,
    )
    planted = replace(
        webgpu,
        official=cpu.official,
        plugin=None,
        options=cpu.options,
        prepare=cpu.prepare,
        missing=cpu.missing,
        device=card,
    )
    session = providers.session

    def faulty(graph: Path, provider: providers.Provider, *arguments: Any) -> Any:
        made = session(graph, provider, *arguments)
        return FaultySession(made, FAULTS[fault], folder) if provider is planted else made

    providers.PROVIDERS = MappingProxyType({"cpu": cpu, "webgpu": planted})
    providers.AUTO_ORDER = (planted,)  # type: ignore[assignment]
    providers.session = faulty  # type: ignore[assignment]
    installed.has_wheel = lambda name: True
    Subject.kept = lambda self: None  # type: ignore[method-assign]
    Subject.keep = lambda self, proof: None  # type: ignore[method-assign]
    device_proof.RUNS = 1
    device_watch.DEADLINE = DEADLINE
    if fault != "slow":
        device_proof.CLEARLY_FASTER = 100.0


def prolong_quarantine(folder: Path) -> None:
    """Makes the web process try a device again only once it is repaired."""
    again = Supervisor._try_device_again

    def once_repaired(self: Supervisor) -> None:
        if (folder / REPAIRED).exists():
            again(self)
        else:
            self._try_device_later()

    Supervisor._try_device_again = once_repaired  # type: ignore[method-assign]


def main(fault: str, folder: str, *of_worker: str) -> int:
    """Runs the worker if its arguments are given, else the web process. Returns the exit status."""
    if of_worker:
        plant_when_confined(lambda: plant(fault, Path(folder)))
        return worker(*map(int, of_worker))
    process.COMMAND = (sys.executable, "-m", "tests.faults.planted_device", fault, folder)
    devices.QUARANTINE_SECONDS = QUARANTINE
    prolong_quarantine(Path(folder))
    return serve(["serve"])


if __name__ == "__main__":  # dlib's processes import this module too
    exit_now(main(*sys.argv[1:]))
