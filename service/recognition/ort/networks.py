"""Networks: a graph as one session on a device, or as sessions that share the cores of the CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.cores import Cores
from service.recognition.ort.providers import Provider
from service.recognition.ort.sessions import Session


class Network(Protocol):
    """A loaded graph. Safe to run from many threads."""

    @property
    def provider(self) -> str:
        """Active provider, by ONNX Runtime's name."""

    @property
    def cpu_fallback_runs(self) -> int:
        """Number of runs by CPU fallback, because the device was out of memory."""

    @property
    def shares_cores(self) -> bool:
        """True if other runs compute at the same time, each of which takes memory."""

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run a graph of one input and one output. Raises EngineError."""

    def compute(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """Compute one output of a graph from all of its inputs by name. Raises EngineError."""

    def attempt(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """As `compute`, without halving and without CPU fallback. Raises EngineError and OutOfMemory."""


def load_network(
    graph: Path,
    provider: Provider,
    cores: Cores,
    *,
    widths: Sequence[int] = (),
    memory: int | None = None,
    has_float16: bool = False,
) -> Network:
    """Load a graph: one session on a device, one for each width on the CPU.

    Args:
        graph: an .onnx file.
        provider: the provider of the sessions.
        cores: the CPU's cores, which a device needs for CPU fallback alone.
        widths: members of `cores.widths` that get a session. Empty: all.
        memory, has_float16: as for `Session`.

    Raises:
        EngineError: as `Session` raises it.
    """
    if provider.device is None:
        return SharedSessions(graph, provider, cores, widths or cores.widths)
    return Session(graph, cores.widths[-1], provider, memory=memory, has_float16=has_float16)


class SharedSessions:
    """A Network with one session per number of cores: a run gets its photo's share, or fewer cores if fewer are free.

    Args:
        graph: an .onnx file.
        provider: the provider of the sessions.
        cores: grants the cores of each run.
        widths: numbers of cores with a session each, the smallest of `cores.widths` among them.
    """

    def __init__(self, graph: Path, provider: Provider, cores: Cores, widths: Sequence[int]) -> None:
        self._sessions = {width: Session(graph, width, provider) for width in sorted(set(widths))}
        self._cores = cores
        self.provider = provider.official

    @property
    def cpu_fallback_runs(self) -> int:
        return 0  # the CPU is the provider

    @property
    def shares_cores(self) -> bool:
        return self._cores.share < self._cores.total

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        with self._cores.acquired() as width:
            return self._session(width).run(value)

    def compute(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        with self._cores.acquired() as width:
            return self._session(width).compute(output, inputs)

    def attempt(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        with self._cores.acquired() as width:
            return self._session(width).attempt(output, inputs)

    def _session(self, width: int) -> Session:
        return self._sessions[max(fitting for fitting in self._sessions if fitting <= width)]
