"""ONNX Runtime sessions: how they are made, that they run where they were asked to, and what they do without memory."""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.recognition.compute.cores import Cores
from service.recognition.contract import EngineError
from service.recognition.ort.providers import CPU, Provider
from service.recognition.ort.runtime import onnxruntime

log = logging.getLogger(__name__)

GIVE_BACK = "memory.enable_memory_arena_shrinkage"
"""A run's option: what an arena does not use goes back to the device (onnxruntime_run_options_config_keys.h)."""

SHORTAGES = (
    # ONNX Runtime's arena (bfc_arena.cc), of a device's memory and of its own limit
    "failed to allocate memory",
    "available memory of",
    "failed to find a free memory block",
    # CUDA and its libraries, which take memory beside the arena
    "out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "device_allocation_failed",
    "outofmemory",
    # C++
    "bad_alloc",
    "bad allocation",
)
"""What a failure for want of memory says, in lower case; ONNX Runtime has no error of its own for it."""


Turn = AbstractContextManager[object]
NO_TURNS: Turn = nullcontext()
"""Where as many runs as one likes may be computed at the same time."""


class OutOfMemory(EngineError):
    """There was not enough memory for a run, on the device or on this machine."""


class Network(Protocol):
    """A graph, loaded and ready. Safe to run from many threads."""

    @property
    def provider(self) -> str:
        """What computes, as ONNX Runtime calls it."""

    @property
    def spared(self) -> int:
        """How many runs the CPU computed, since the device had no memory for them."""

    @property
    def divided(self) -> bool:
        """Whether a run is one of several at the same time, each of which takes memory."""

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run a graph of one input and one output. Raises EngineError."""

    def compute(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """One output of a graph, with all of its inputs by name. Raises EngineError."""


def opened(
    graph: Path,
    provider: Provider,
    cores: Cores,
    *,
    widths: Sequence[int] = (),
    memory: int | None = None,
    turn: Turn = NO_TURNS,
) -> Network:
    """A graph on a provider.

    Args:
        graph: an .onnx file.
        provider: what computes.
        cores: what it computes on, or what computes where a device cannot.
        widths: of `cores.widths`, those for which there is a session where a run may get some cores. Empty: all.
        memory, turn: as for `Session`.

    Raises:
        EngineError: as `Session` raises it.
    """
    if provider.device is None:
        return SharedSessions(graph, provider, cores, widths or cores.widths)
    return Session(graph, cores.widths[-1], provider, memory=memory, turn=turn)


class SharedSessions:
    """A Network in several sessions: a run gets as many cores as its photo has a share of, or as are free.

    Args:
        graph: an .onnx file.
        provider: what computes.
        cores: lends what it computes on.
        widths: for how many cores there is a session each, the fewest that are lent among them.
    """

    def __init__(self, graph: Path, provider: Provider, cores: Cores, widths: Sequence[int]) -> None:
        self._sessions = {width: Session(graph, width, provider) for width in sorted(set(widths))}
        self._cores = cores
        self.provider = provider.official

    @property
    def spared(self) -> int:
        return sum(session.spared for session in self._sessions.values())

    @property
    def divided(self) -> bool:
        return self._cores.share < self._cores.total

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        with self._cores.acquired() as width:
            return self._of(width).run(value)

    def compute(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        with self._cores.acquired() as width:
            return self._of(width).compute(output, given)

    def _of(self, width: int) -> "Session":
        return self._sessions[max(fitting for fitting in self._sessions if fitting <= width)]


class Session:
    """One graph, loaded and ready. Safe to run from many threads.

    `run` and `compute` halve a run for which there is no memory until it fits: the first axis of each input and output
    has to be that of the photos or faces. What does not fit alone is computed by the CPU, and the next run tries the
    device again.

    Args:
        graph: an .onnx file.
        threads: cores that one run may use; 0 for all.
        provider: what computes.
        memory: bytes of a device that this session may take; None for all that there are.
        half: whether the graph has layers in float16.
        turn: held during a run; one for all sessions of a device, on which two runs at the same time would need the
            memory of both and take no less time. Reentrant: who holds it has the device to itself.

    Raises:
        EngineError: the graph cannot be loaded, or would run elsewhere.
    """

    def __init__(
        self,
        graph: Path,
        threads: int = 0,
        provider: Provider = CPU,
        *,
        memory: int | None = None,
        half: bool = False,
        turn: Turn = NO_TURNS,
    ) -> None:
        options = onnxruntime.SessionOptions()
        # ONNX Runtime would plan a block of memory for every shape that it meets, and photos have many shapes: 50 MB
        # more at 8 megapixels, and no gain in time.
        options.enable_mem_pattern = False
        try:
            provider.prepare(options, threads)
            self._session = onnxruntime.InferenceSession(
                graph,
                options,
                providers=[(provider.official, provider.options(memory, half))],
                # Otherwise a provider's failure moves the session to the CPU for good, and a line goes to standard
                # output.
                enable_fallback=False,
            )
        except Exception as error:  # ONNX Runtime has no common base for its errors
            raise EngineError(
                f"ONNX Runtime cannot load {graph} for {provider.official}: {_said(error)}"
            ) from error
        self.provider: str = self._session.get_providers()[0]
        if self.provider != provider.official:
            raise EngineError(
                f"{graph.name} was to run on {provider.official}, but ONNX Runtime fell back to {self.provider}: "
                "its own messages above say what it lacks"
            )
        self._graph = graph
        self._threads = threads
        self._asked = provider
        self._inputs = [port.name for port in self._session.get_inputs()]
        self._outputs = [port.name for port in self._session.get_outputs()]
        self.turn = turn
        self._changing = threading.Lock()
        self._spare: Session | None = None
        self._short = False
        """Whether the last run found no memory."""
        self._spared = 0

    @property
    def spared(self) -> int:
        """How many runs the CPU computed, since the device had no memory for them."""
        return self._spared

    @property
    def divided(self) -> bool:
        return False

    def run(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run a graph of one input and one output. Raises EngineError."""
        (given,), (made,) = self._inputs, self._outputs
        return self.compute(made, {given: value})

    def compute(self, output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        """One output of a graph, with all of its inputs by name.

        Raises:
            EngineError: the provider failed, as when a device went away.
            OutOfMemory: there was no memory for it, not even the CPU's.
        """
        try:
            (result,) = self.attempt([output], given)
        except OutOfMemory as shortage:
            return self._with_less(output, given, shortage)
        return result

    def attempt(self, outputs: Sequence[str], given: Mapping[str, NDArray[np.generic]]) -> list[NDArray[Any]]:
        """Outputs of a graph, with all of its inputs by name; nothing else is tried where memory is short.

        Raises EngineError and OutOfMemory.
        """
        with self.turn:
            try:
                # No I/O binding: it would copy the inputs with the GIL held, and outside of a run's order on the
                # device. One graph takes the photos in and gives the candidates out; there is nothing to bind between.
                results = self._session.run(list(outputs), dict(given), self._run_options())
            except Exception as error:
                self._short = _is_shortage(error)
                kind = OutOfMemory if self._short else EngineError
                raise kind(f"{self.provider} failed: {_said(error)}") from error
            self._short = False
        return [np.asarray(result) for result in results]

    def _run_options(self) -> onnxruntime.RunOptions | None:
        """After a shortage, a run gives back what the arena holds in pieces of other sizes."""
        if not self._short or self._asked.device is None:
            return None
        options = onnxruntime.RunOptions()
        options.add_run_config_entry(GIVE_BACK, self._asked.device.arena)
        return options

    def _with_less(
        self, output: str, given: Mapping[str, NDArray[np.generic]], shortage: OutOfMemory
    ) -> NDArray[np.float32]:
        """What `compute` gives, in halves, or by the CPU."""
        size = max(map(len, given.values()))
        if size > 1:
            log.warning("%s; %d are computed in halves", shortage, size)
            half = size // 2
            halves = (
                {name: value[:half] for name, value in given.items()},
                {name: value[half:] for name, value in given.items()},
            )
            return np.concatenate([self.compute(output, part) for part in halves])
        if self._asked.device is None:
            raise shortage
        log.warning("%s; the CPU computes it", shortage)
        result = self._on_cpu().compute(output, given)
        with self._changing:
            self._spared += 1
        return result

    def _on_cpu(self) -> "Session":
        with self._changing:
            if self._spare is None:
                self._spare = Session(self._graph, self._threads)
            return self._spare


_OF_CUDA = re.compile(r"(CUDA|CUDNN|CUBLAS) failure [^;]+")
"""In a message of a thousand letters, between C++ and the host's name."""


def _said(error: Exception) -> str:
    """What ONNX Runtime said, in one line."""
    said = " ".join(str(error).split())
    of_cuda = _OF_CUDA.search(said)
    return of_cuda[0].strip() if of_cuda else said


def _is_shortage(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(shortage in said for shortage in SHORTAGES)
